import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.RegionMetrics;
import org.apache.hadoop.hbase.ServerName;
import org.apache.hadoop.hbase.Size;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.BufferedMutator;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Put;
import org.apache.hadoop.hbase.util.Bytes;

/**
 * What the measurements do to a table beside fink.
 *
 * Usage: java -cp HBASE Table.java ZOOKEEPER_HOST:PORT TABLE drop
 *        java -cp HBASE Table.java ZOOKEEPER_HOST:PORT TABLE fill FIRST COUNT BYTES TRIGGER_FAMILY:QUALIFIER FAMILY:QUALIFIER FROM UNTIL FLUSH ROWS
 *        java -cp HBASE Table.java ZOOKEEPER_HOST:PORT TABLE files
 *
 * `fill` puts rows of two cells, spread over the regions: a number of 8 bytes in the trigger's column, and BYTES in the other
 * one, with timestamps (ms) that rise from FROM to UNTIL. Each time that a region has got ROWS more it is flushed: the other
 * family (FLUSH is `large`) or both (`all`). `files` prints a line of JSON: the table's store files and the MB in
 * its memstores.
 */
public class Table {
    public static void main(String[] args) throws Exception {
        String[] zookeeper = args[0].split(":");
        Configuration conf = HBaseConfiguration.create();
        conf.set("hbase.zookeeper.quorum", zookeeper[0]);
        conf.set("hbase.zookeeper.property.clientPort", zookeeper[1]);
        TableName table = TableName.valueOf(args[1]);
        try (Connection connection = ConnectionFactory.createConnection(conf); Admin admin = connection.getAdmin()) {
            switch (args[2]) {
                case "drop" -> {
                    if (!admin.tableExists(table)) return;
                    if (admin.isTableEnabled(table)) admin.disableTable(table);
                    admin.deleteTable(table);
                }
                case "fill" -> fill(connection, table, args);
                case "files" -> {
                    int files = 0;
                    double inMemory = 0;
                    for (ServerName server : admin.getRegionServers()) {
                        for (RegionMetrics region : admin.getRegionMetrics(server, table)) {
                            files += region.getStoreFileCount();
                            inMemory += region.getMemStoreSize().get(Size.Unit.MEGABYTE);
                        }
                    }
                    System.out.printf("{\"files\":%d,\"memstore_mb\":%.0f}%n", files, inMemory);
                }
                default -> throw new IllegalArgumentException("neither drop, fill nor files: " + args[2]);
            }
        }
    }

    private static void fill(Connection connection, TableName table, String[] args) throws Exception {
        long first = Long.parseLong(args[3]), count = Long.parseLong(args[4]);
        int bytes = Integer.parseInt(args[5]);
        byte[][] trigger = column(args[6]), other = column(args[7]);
        long from = Long.parseLong(args[8]), until = Long.parseLong(args[9]);
        boolean flushAll = args[10].equals("all");
        List<byte[]> prefixes = new ArrayList<>();
        for (byte[] start : connection.getRegionLocator(table).getStartKeys())
            prefixes.add(start.length == 0 ? Bytes.toBytes("!") : start);
        long rowsAFlush = Long.parseLong(args[11]) * prefixes.size();
        try (BufferedMutator mutator = connection.getBufferedMutator(table); Admin admin = connection.getAdmin()) {
            byte[] value = new byte[bytes];
            for (long number = first; number < first + count; number++) {
                byte[] prefix = prefixes.get((int) (number % prefixes.size()));
                // Keys in no order, as those of alerts.
                String key = String.format("_%016x", number * 0x9E3779B97F4A7C15L);
                Put put = new Put(Bytes.add(prefix, Bytes.toBytes(key)), from + (until - from) * (number - first) / count);
                ThreadLocalRandom.current().nextBytes(value);
                put.addColumn(trigger[0], trigger[1], Bytes.toBytes(number));
                put.addColumn(other[0], other[1], value.clone());
                mutator.mutate(put);
                if ((number + 1) % rowsAFlush == 0) {
                    mutator.flush();
                    if (flushAll) admin.flush(table);
                    else admin.flush(table, other[0]);
                }
            }
        }
    }

    private static byte[][] column(String name) {
        String[] parts = name.split(":", 2);
        return new byte[][] {Bytes.toBytes(parts[0]), Bytes.toBytes(parts[1])};
    }
}
