/*
 * Licensed to the Apache Software Foundation (ASF) under one
 * or more contributor license agreements.  See the NOTICE file
 * distributed with this work for additional information
 * regarding copyright ownership.  The ASF licenses this file
 * to you under the Apache License, Version 2.0 (the
 * "License"); you may not use this file except in compliance
 * with the License.  You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

// Source: org/apache/hadoop/hbase/thrift2/hbase.thrift of HBase 2.6.1
// (https://github.com/apache/hbase/blob/rel/2.6.1/hbase-thrift/src/main/resources/org/apache/hadoop/hbase/thrift2/hbase.thrift).
// Changed: reduced to the structs that rows are read and written with, and to the fields that fink uses.
//
// fink writes its requests (request.rs) and reads the replies (decode.rs) without generated code. scripts/dev/generate-thrift2 makes
// idl.rs from this file; the tests compare both with it.

struct TTimeRange {
  1: required i64 minStamp
  2: required i64 maxStamp
}

struct TColumn {
  1: required binary family
  2: optional binary qualifier
}

struct TColumnValue {
  1: required binary family
  2: required binary qualifier
  3: required binary value
  4: optional i64 timestamp
  5: optional binary tags
  6: optional i8 type
}

struct TResult {
  1: optional binary row
  2: required list<TColumnValue> columnValues
  3: optional bool stale = false
  4: optional bool partial = false
}

struct TGet {
  1: required binary row
  2: optional list<TColumn> columns
  4: optional TTimeRange timeRange
}

struct TPut {
  1: required binary row
  2: required list<TColumnValue> columnValues
  3: optional i64 timestamp
}

struct TScan {
  1: optional binary startRow
  2: optional binary stopRow
  3: optional list<TColumn> columns
  4: optional i32 caching
  6: optional TTimeRange timeRange
  12: optional bool cacheBlocks
  15: optional i32 limit
}

exception TIOError {
  1: optional string message
  2: optional bool canRetry
}
