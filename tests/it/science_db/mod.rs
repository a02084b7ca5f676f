//! The stores of the science database: all give rows, cells and timestamps the same meaning.
//!
//! The HBase ones run against the servers of the cluster that FINK_TEST_CLUSTER names.

mod conformance;
mod faults;
mod frozen_gateways;
mod hbase_faults;
mod hbase_regions;
mod hbase_tls;
mod hbase_wrong_servers;
mod log_capture;
mod stores;
mod table_settings;

macro_rules! in_every_store {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[test] fn $name() { super::conformance::$name(&super::stores::embedded()); })*
        }
        mod hbase {
            $(#[test] fn $name() { super::conformance::$name(&super::stores::hbase()); })*
        }
        mod hbase_over_tls {
            $(#[test] fn $name() { super::conformance::$name(&super::stores::hbase_over_tls()); })*
        }
        mod thrift2 {
            $(#[test] fn $name() { super::conformance::$name(&super::stores::thrift2()); })*
        }
        mod thrift1 {
            $(#[test] fn $name() { super::conformance::$name(&super::stores::thrift1()); })*
        }
    };
}

in_every_store!(
    window_is_half_open,
    partial_row_holds_only_what_the_window_holds,
    newest_version_wins,
    delete_hides_what_was_and_not_what_comes,
    scan_resumes_at_every_page_boundary,
    scan_ends_before_the_end_key,
    full_page_without_rows_in_the_window_is_not_returned,
    key_ranges_cover_every_key_once,
    keys_are_bytes,
    large_cells_come_back_whole,
    empty_values_and_qualifiers_are_kept,
    column_without_qualifier_is_read_and_null_where_its_family_is_missing,
    empty_range_has_no_rows,
    missing_table_is_named,
    gets_keep_the_order_of_the_keys,
    put_without_timestamp_gets_the_servers_time,
    columns_not_asked_for_are_not_returned,
    wide_reads_find_rows_behind_many_without_their_columns,
    no_columns_are_no_rows,
    unknown_family_is_refused,
    rows_without_key_or_cells_are_refused,
    table_is_created_once,
    rows_are_reused_for_the_next_page,
);
