import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Put;
import org.apache.hadoop.hbase.client.Table;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.util.Bytes;

/**
 * Writes rows as Fink's Spark job does through the HBase connector: with HBase's own client, and cells encoded by its class Bytes.
 *
 * <p>usage: FinkTableWriter ZOOKEEPER_PORT TABLE FAMILY,... SPLIT,... < ROWS
 *
 * <p>Creates the table if it does not exist. ROWS has one line for each row: KEY, then CELL..., separated by tabs. KEY is the parts of the row
 * key, separated by spaces, which are joined by `_`; CELL is FAMILY QUALIFIER VALUE, separated by spaces. A part and a VALUE are TYPE:TEXT;
 * QUALIFIER and TEXT are in base64.
 */
public final class FinkTableWriter {
  public static void main(String[] arguments) throws IOException {
    Configuration configuration = HBaseConfiguration.create();
    configuration.set("hbase.zookeeper.quorum", "127.0.0.1");
    configuration.set("hbase.zookeeper.property.clientPort", arguments[0]);
    TableName name = TableName.valueOf(arguments[1]);
    try (Connection connection = ConnectionFactory.createConnection(configuration)) {
      try (Admin admin = connection.getAdmin()) {
        if (!admin.tableExists(name)) {
          TableDescriptorBuilder table = TableDescriptorBuilder.newBuilder(name);
          for (String family : arguments[2].split(",")) {
            table.setColumnFamily(ColumnFamilyDescriptorBuilder.of(family));
          }
          byte[][] splits = Arrays.stream(arguments[3].split(",")).map(Bytes::toBytes).toArray(byte[][]::new);
          admin.createTable(table.build(), splits);
        }
      }
      BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
      List<Put> puts = new ArrayList<>();
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        puts.add(put(line.split("\t")));
      }
      try (Table table = connection.getTable(name)) {
        table.put(puts);
      }
      System.out.println(puts.size());
    }
  }

  private static Put put(String[] row) {
    String key = Arrays.stream(row[0].split(" ")).map(FinkTableWriter::value).map(Object::toString).collect(Collectors.joining("_"));
    Put put = new Put(Bytes.toBytes(key));
    for (int at = 1; at < row.length; at++) {
      String[] cell = row[at].split(" ");
      put.addColumn(Bytes.toBytes(cell[0]), Bytes.toBytes(text(cell[1])), encode(value(cell[2])));
    }
    return put;
  }

  private static String text(String base64) {
    return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
  }

  /** A value as Spark's row has it. */
  private static Object value(String typed) {
    int colon = typed.indexOf(':');
    String text = text(typed.substring(colon + 1));
    switch (typed.substring(0, colon)) {
      case "string":
        return text;
      case "boolean":
        return Boolean.valueOf(text);
      case "integer":
        return Integer.valueOf(text);
      case "long":
        return Long.valueOf(text);
      case "float":
        return Float.valueOf(text);
      case "double":
        return Double.valueOf(text);
      // An array of doubles, cast to string.
      case "doubles":
        return Arrays.stream(text.split(",")).map(item -> item.equals("null") ? item : Double.valueOf(item).toString())
            .collect(Collectors.joining(", ", "[", "]"));
      default:
        throw new IllegalArgumentException(typed);
    }
  }

  /** A boolean is a string in Fink's catalogs, which the connector writes as Java prints it. */
  private static byte[] encode(Object value) {
    if (value instanceof Integer) {
      return Bytes.toBytes((Integer) value);
    }
    if (value instanceof Long) {
      return Bytes.toBytes((Long) value);
    }
    if (value instanceof Float) {
      return Bytes.toBytes((Float) value);
    }
    if (value instanceof Double) {
      return Bytes.toBytes((Double) value);
    }
    return Bytes.toBytes(value.toString());
  }
}
