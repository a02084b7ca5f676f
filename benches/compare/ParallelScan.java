import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.Cell;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HRegionLocation;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.CompactionState;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.RegionInfo;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.ResultScanner;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.client.Table;

/**
 * How fast HBase's own client reads whole rows of a table when its regions are scanned in parallel: no gateway, no
 * other work on the rows. An upper bound for whoever reads through a gateway.
 *
 * Usage: java -cp HBASE ParallelScan.java ZOOKEEPER_HOST:PORT TABLE compact
 *        java -cp HBASE ParallelScan.java ZOOKEEPER_HOST:PORT TABLE scan THREADS[,THREADS...] WARM_UPS RUNS
 *
 * `compact` writes everything to one file a region, so that all readers find the same table. `scan` prints a line of
 * JSON for each run; the warm-ups, which are not printed, let the JVM compile what it runs.
 */
public class ParallelScan {
    private static final int ROWS_A_CALL = 100;

    private record Size(long rows, long cells, long bytes) {
        Size plus(Size other) {
            return new Size(rows + other.rows, cells + other.cells, bytes + other.bytes);
        }
    }

    public static void main(String[] args) throws Exception {
        String[] zookeeper = args[0].split(":");
        Configuration conf = HBaseConfiguration.create();
        conf.set("hbase.zookeeper.quorum", zookeeper[0]);
        conf.set("hbase.zookeeper.property.clientPort", zookeeper[1]);
        TableName table = TableName.valueOf(args[1]);
        try (Connection connection = ConnectionFactory.createConnection(conf)) {
            switch (args[2]) {
                case "compact" -> compact(connection, table);
                case "scan" -> {
                    for (String threads : args[3].split(",")) {
                        int warmUps = Integer.parseInt(args[4]);
                        int runs = Integer.parseInt(args[5]);
                        measure(connection, table, Integer.parseInt(threads), warmUps, runs);
                    }
                }
                default -> throw new IllegalArgumentException("neither compact nor scan: " + args[2]);
            }
        }
    }

    private static void measure(Connection connection, TableName table, int threads, int warmUps, int runs)
            throws Exception {
        for (int run = -warmUps; run < runs; run++) {
            long start = System.nanoTime();
            Size size = scan(connection, table, threads);
            double seconds = (System.nanoTime() - start) / 1e9;
            if (run >= 0)
                System.out.printf(
                        "{\"threads\":%d,\"rows\":%d,\"cells\":%d,\"value_bytes\":%d,\"seconds\":%.4f}%n",
                        threads, size.rows, size.cells, size.bytes, seconds);
        }
    }

    private static Size scan(Connection connection, TableName name, int threads) throws Exception {
        List<Callable<Size>> tasks = new ArrayList<>();
        for (HRegionLocation location : connection.getRegionLocator(name).getAllRegionLocations())
            tasks.add(() -> scan(connection, name, location.getRegion()));
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            Size sum = new Size(0, 0, 0);
            for (Future<Size> part : pool.invokeAll(tasks)) sum = sum.plus(part.get());
            return sum;
        } finally {
            pool.shutdown();
        }
    }

    private static Size scan(Connection connection, TableName name, RegionInfo region) throws IOException {
        Scan scan = new Scan().withStartRow(region.getStartKey()).withStopRow(region.getEndKey());
        scan.setTimeRange(0, System.currentTimeMillis()).setCaching(ROWS_A_CALL);
        long rows = 0, cells = 0, bytes = 0;
        try (Table table = connection.getTable(name); ResultScanner scanner = table.getScanner(scan)) {
            for (Result row : scanner) {
                rows++;
                for (Cell cell : row.rawCells()) {
                    cells++;
                    bytes += cell.getValueLength();
                }
            }
        }
        return new Size(rows, cells, bytes);
    }

    private static void compact(Connection connection, TableName table) throws Exception {
        try (Admin admin = connection.getAdmin()) {
            admin.flush(table);
            long asked = System.currentTimeMillis();
            admin.majorCompact(table);
            // The state is NONE before the compaction begins as well as after it: wait for it to be seen, or for 5 s.
            boolean seen = false;
            while (true) {
                boolean working = admin.getCompactionState(table) != CompactionState.NONE;
                seen |= working;
                if (!working && (seen || System.currentTimeMillis() - asked > 5_000)) return;
                Thread.sleep(50);
            }
        }
    }
}
