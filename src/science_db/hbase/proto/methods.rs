//! Which service and method takes which request, and what it responds.

use prost::Message;

use super::*;

/// The services of HBase's servers. A connection serves one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// of masters and region servers: who is who in the cluster
    Registry,
    /// of region servers: rows
    Client,
    /// of region servers: regions and configuration
    Admin,
    /// of masters: tables, namespaces, replication peers
    Master,
}

impl Service {
    /// Its name in a connection header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Registry => "ClientMetaService",
            Self::Client => "ClientService",
            Self::Admin => "AdminService",
            Self::Master => "MasterService",
        }
    }
}

/// A request to call a method.
pub(crate) trait Method: Message {
    /// the service that takes it
    const SERVICE: Service;
    /// the method's name; the case counts
    const NAME: &'static str;
    /// what it responds
    type Response: Message + Default;
}

macro_rules! calls {
    ($($service:ident: $($method:literal $request:ident -> $response:ident),* ;)*) => {
        $($(impl Method for $request {
            const SERVICE: Service = Service::$service;
            const NAME: &'static str = $method;
            type Response = $response;
        })*)*
    };
}

calls! {
    Registry:
        "GetClusterId" GetClusterIdRequest -> GetClusterIdResponse,
        "GetActiveMaster" GetActiveMasterRequest -> GetActiveMasterResponse,
        "GetMetaRegionLocations" GetMetaRegionLocationsRequest -> GetMetaRegionLocationsResponse,
        "GetBootstrapNodes" GetBootstrapNodesRequest -> GetBootstrapNodesResponse;
    Client:
        "Scan" ScanRequest -> ScanResponse,
        "Multi" MultiRequest -> MultiResponse;
    Admin:
        "FlushRegion" FlushRegionRequest -> FlushRegionResponse,
        "UpdateConfiguration" UpdateConfigurationRequest -> UpdateConfigurationResponse,
        "ReplicateWALEntry" ReplicateWalEntryRequest -> ReplicateWalEntryResponse;
    Master:
        "CreateTable" CreateTableRequest -> CreateTableResponse,
        "DeleteTable" DeleteTableRequest -> DeleteTableResponse,
        "EnableTable" EnableTableRequest -> EnableTableResponse,
        "DisableTable" DisableTableRequest -> DisableTableResponse,
        "ModifyColumn" ModifyColumnRequest -> ModifyColumnResponse,
        "MoveRegion" MoveRegionRequest -> MoveRegionResponse,
        "SplitRegion" SplitTableRegionRequest -> SplitTableRegionResponse,
        "MergeTableRegions" MergeTableRegionsRequest -> MergeTableRegionsResponse,
        "CreateNamespace" CreateNamespaceRequest -> CreateNamespaceResponse,
        "ListNamespaceDescriptors" ListNamespaceDescriptorsRequest -> ListNamespaceDescriptorsResponse,
        "GetTableDescriptors" GetTableDescriptorsRequest -> GetTableDescriptorsResponse,
        "HasUserPermissions" HasUserPermissionsRequest -> HasUserPermissionsResponse,
        "GetTableState" GetTableStateRequest -> GetTableStateResponse,
        "getProcedureResult" GetProcedureResultRequest -> GetProcedureResultResponse,
        "GetClusterStatus" GetClusterStatusRequest -> GetClusterStatusResponse,
        "AddReplicationPeer" AddReplicationPeerRequest -> AddReplicationPeerResponse,
        "RemoveReplicationPeer" RemoveReplicationPeerRequest -> RemoveReplicationPeerResponse,
        "EnableReplicationPeer" EnableReplicationPeerRequest -> EnableReplicationPeerResponse,
        "DisableReplicationPeer" DisableReplicationPeerRequest -> DisableReplicationPeerResponse,
        "UpdateReplicationPeerConfig" UpdateReplicationPeerConfigRequest -> UpdateReplicationPeerConfigResponse,
        "ListReplicationPeers" ListReplicationPeersRequest -> ListReplicationPeersResponse;
}
