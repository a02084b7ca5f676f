//! Requests about ACLs: CreateAcls, DescribeAcls and DeleteAcls.

use crate::kafka::acls::{AclBinding, AclFilter, CreatedAcl, DeletedAcls};
use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};
use crate::kafka::ffi::{acls as native, users};

const CHANGE: &str = "change the ACLs of";
const DESCRIBE: &str = "describe the ACLs of";

impl Admin {
    /// Creates ACLs. Returns one entry for each, in order.
    ///
    /// # Errors
    /// No ACL was created: no response, not authorized to alter the cluster, or an ACL that cannot exist.
    pub fn create_acls(&self, acls: &[AclBinding]) -> Result<Vec<CreatedAcl>> {
        let errors = self.submit(CHANGE, |call| native::create_acls(call, acls))?;
        let created = acls.iter().zip(errors).map(|(acl, error)| CreatedAcl {
            acl: acl.clone(),
            error: error.map(|error| self.response_error(&error, CHANGE, Resource::Cluster)),
        });
        Ok(created.collect())
    }

    /// The ACLs that match a filter, sorted.
    ///
    /// # Errors
    /// No response, or not authorized to describe the cluster.
    pub fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>> {
        let mut acls = self.submit(DESCRIBE, |call| native::describe_acls(call, filter))?;
        if acls.is_empty() {
            // librdkafka returns an empty list for an authorization failure too. Describing users requires the same ACL, and fails.
            self.submit(DESCRIBE, |call| users::describe_users(call, &["nobody"]))?;
        }
        acls.sort();
        Ok(acls)
    }

    /// Deletes the ACLs that match filters. Returns one entry for each filter, in order.
    ///
    /// # Errors
    /// No ACL was deleted: no response, or not authorized to alter the cluster.
    pub fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<DeletedAcls>> {
        let deleted = self.submit(CHANGE, |call| native::delete_acls(call, filters))?;
        let row = |(acls, error): (Vec<AclBinding>, Option<_>)| DeletedAcls {
            acls,
            error: error.map(|error| self.response_error(&error, CHANGE, Resource::Cluster)),
        };
        Ok(deleted.into_iter().map(row).collect())
    }
}
