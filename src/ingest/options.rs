//! How alerts are loaded.

use crate::alert::ListEncoding;
use crate::timestamp::Timestamp;

/// How alerts are loaded.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// columns of the row key, written `candid`, `diaSource.diaSourceId` or `diaSource_diaSourceId`; the record may be left out if only one
    /// record has the field. `None`: the catalog's; for a new table `objectId,candid` (ZTF) or `diaObjectId,diaSourceId` (Rubin)
    pub row_key: Option<Vec<String>>,
    /// how arrays and maps are stored. `None`: as in the catalog; in a new table without loss
    pub history: Option<ListEncoding>,
    /// number of regions of a new table
    pub regions: usize,
    /// timestamp of all cells; `None`: the store's clock at the time of each write
    pub timestamp: Option<Timestamp>,
    /// whether alerts whose rows exist are left out
    pub skip_existing: bool,
    /// alerts per second, over all threads; `None`: not limited
    pub rate: Option<f64>,
}
