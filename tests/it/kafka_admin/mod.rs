//! `fink kafka`, driven as an administrator would, on a real cluster.

mod acls;
mod bootstrap;
mod groups;
mod scripts;
mod terminal;
mod topics;
mod users;
