import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.hbase.ClusterMetrics;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.ServerName;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Put;
import org.apache.hadoop.hbase.client.RegionInfo;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.client.Table;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.util.Bytes;

/**
 * One table of HBase, by its own client: puts rows, splits, merges, reassigns and moves regions, and scans. Tells where regions are.
 *
 * <p>One request a line on stdin, fields between tabs: {@code ID COMMAND ARGUMENTS...}. The answer is a line
 * {@code ID ok FIELDS...} or {@code ID failed MESSAGE} on stdout; a scan sends {@code ID row FIELDS...} lines first.
 * Puts run beside each other, and so do questions about servers and changes of regions, each kind in the order of the requests. A position
 * is a fraction of the list of regions.
 *
 * <pre>
 * create SPLIT...                                      a table with the families i and t
 * put (ROW TIME|- CANDID OBJECT MAGPSF STAMP_BYTES)... begin and end in ms since 1970
 * split POSITION | merge POSITION                      the key, or the keys of both regions
 * reassign POSITION MILLISECONDS                       closes a region and opens it again after so long
 * move POSITION POSITION_OF_SERVER                     to one of the other servers
 * where busiest|meta                                   the port of the server with most of the table's regions, or with hbase:meta
 * settled SERVERS                                      whether so many servers live, and all regions are open
 * balance                                              gives servers that have few regions some more
 * scan                                                 ROW TIME CANDID of the newest version of each row
 * </pre>
 */
public final class HBaseClient {
    private static final byte[] TRIGGER = Bytes.toBytes("t"), REST = Bytes.toBytes("i"), CANDID = Bytes.toBytes("candid");
    private static final int FIELDS_OF_A_ROW = 6;
    private static final long ADMIN_SECONDS = 60;
    private static final int ASSIGN_ATTEMPTS = 10;

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private final TableName name;
    private final Connection connection;
    private final Admin admin;
    private final Table table;

    private HBaseClient(String table) throws IOException {
        name = TableName.valueOf(table);
        this.table = ConnectionFactory.createConnection(HBaseConfiguration.create()).getTable(name);
        // Without a master a change fails, while puts go on.
        var impatient = HBaseConfiguration.create();
        impatient.setInt(HConstants.HBASE_CLIENT_OPERATION_TIMEOUT, (int) TimeUnit.SECONDS.toMillis(ADMIN_SECONDS));
        impatient.setInt(HConstants.HBASE_RPC_TIMEOUT_KEY, (int) TimeUnit.SECONDS.toMillis(ADMIN_SECONDS));
        connection = ConnectionFactory.createConnection(impatient);
        admin = connection.getAdmin();
    }

    public static void main(String[] args) throws IOException {
        var client = new HBaseClient(args[0]);
        ExecutorService puts = Executors.newFixedThreadPool(16);
        ExecutorService servers = Executors.newSingleThreadExecutor(), others = Executors.newSingleThreadExecutor();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            List<String> words = Arrays.asList(line.split("\t"));
            ExecutorService executor = switch (words.get(1)) {
                case "put" -> puts;
                case "where", "settled", "balance" -> servers;
                default -> others;
            };
            executor.submit(() -> client.answer(words.get(0), words.get(1), words.subList(2, words.size())));
        }
        System.exit(0);
    }

    private void answer(String id, String command, List<String> arguments) {
        try {
            String fields = switch (command) {
                case "create" -> create(arguments);
                case "put" -> put(arguments);
                case "split" -> split(Double.parseDouble(arguments.get(0)));
                case "merge" -> merge(Double.parseDouble(arguments.get(0)));
                case "reassign" -> reassign(Double.parseDouble(arguments.get(0)), Long.parseLong(arguments.get(1)));
                case "expire" -> expire(Integer.parseInt(arguments.get(0)));
                case "move" -> move(Double.parseDouble(arguments.get(0)), Double.parseDouble(arguments.get(1)));
                case "where" -> where(arguments.get(0));
                case "settled" -> Boolean.toString(isSettled(Integer.parseInt(arguments.get(0))));
                case "balance" -> Boolean.toString(admin.balance());
                case "scan" -> scan(id);
                case "drop" -> drop();
                default -> throw new IllegalArgumentException("unknown command " + command);
            };
            say(id + "\tok\t" + fields);
        } catch (Exception e) {
            say(id + "\tfailed\t" + e.toString().replaceAll("\\s+", " "));
        }
    }

    private synchronized void say(String line) {
        out.print(line + "\n");
        out.flush();
    }

    private String create(List<String> splits) throws IOException {
        var families = List.of(ColumnFamilyDescriptorBuilder.of(TRIGGER), ColumnFamilyDescriptorBuilder.of(REST));
        var descriptor = TableDescriptorBuilder.newBuilder(name).setColumnFamilies(families).build();
        admin.createTable(descriptor, splits.stream().map(Bytes::toBytes).toArray(byte[][]::new));
        return "";
    }

    private String expire(int seconds) throws IOException {
        for (var family : List.of(TRIGGER, REST)) {
            admin.modifyColumnFamily(name, ColumnFamilyDescriptorBuilder.newBuilder(family).setTimeToLive(seconds).build());
        }
        return "";
    }

    private String drop() throws IOException {
        admin.disableTable(name);
        admin.deleteTable(name);
        return "";
    }

    private String put(List<String> fields) throws IOException {
        var puts = new ArrayList<Put>();
        for (int at = 0; at < fields.size(); at += FIELDS_OF_A_ROW) puts.add(row(fields.subList(at, at + FIELDS_OF_A_ROW)));
        long begin = System.currentTimeMillis();
        table.put(puts);
        return begin + "\t" + System.currentTimeMillis();
    }

    private static Put row(List<String> fields) {
        byte[] key = Bytes.toBytes(fields.get(0));
        Put put = fields.get(1).equals("-") ? new Put(key) : new Put(key, Long.parseLong(fields.get(1)));
        long candid = Long.parseLong(fields.get(2));
        byte[] stamp = new byte[Integer.parseInt(fields.get(5))];
        Arrays.fill(stamp, (byte) (candid % 251));
        return put.addColumn(TRIGGER, CANDID, Bytes.toBytes(candid))
                .addColumn(REST, Bytes.toBytes("objectId"), Bytes.toBytes(fields.get(3)))
                .addColumn(REST, Bytes.toBytes("magpsf"), Bytes.toBytes(Double.parseDouble(fields.get(4))))
                .addColumn(REST, Bytes.toBytes("stamp"), stamp);
    }

    private String split(double position) throws Exception {
        RegionInfo region = regions().get((int) (position * regions().size()));
        byte[] middle = middle(region);
        // The halves of a split refer to its files until they are compacted; such a region cannot be split again.
        admin.splitRegionAsync(region.getRegionName(), middle).get(ADMIN_SECONDS, TimeUnit.SECONDS);
        admin.compact(name);
        return Bytes.toStringBinary(middle);
    }

    /** The key in the middle of the region's rows: HBase's own choice needs files, and small regions have none. */
    private byte[] middle(RegionInfo region) throws IOException {
        var keys = new ArrayList<byte[]>();
        var scan = new Scan().withStartRow(region.getStartKey()).withStopRow(region.getEndKey()).addFamily(TRIGGER);
        try (var rows = table.getScanner(scan)) {
            for (Result row : rows) keys.add(row.getRow());
        }
        if (keys.size() < 2) throw new IOException("the region has " + keys.size() + " rows");
        return keys.get(keys.size() / 2);
    }

    private String merge(double position) throws Exception {
        List<RegionInfo> regions = regions();
        if (regions.size() < 2) throw new IOException("there is one region");
        // Merged regions cannot be merged again before the janitor has removed those they came from.
        admin.runCatalogJanitor();
        int first = (int) (position * (regions.size() - 1));
        var pair = new byte[][] {regions.get(first).getRegionName(), regions.get(first + 1).getRegionName()};
        admin.mergeRegionsAsync(pair, false).get(ADMIN_SECONDS, TimeUnit.SECONDS);
        admin.compact(name);
        return Bytes.toStringBinary(regions.get(first).getStartKey());
    }

    private String reassign(double position, long milliseconds) throws Exception {
        RegionInfo region = regions().get((int) (position * regions().size()));
        try {
            admin.unassign(region.getRegionName());
            Thread.sleep(milliseconds);
        } finally {
            // A master that was killed may close it all the same when it is back: it must not stay closed.
            assign(region);
        }
        return Bytes.toStringBinary(region.getStartKey());
    }

    private void assign(RegionInfo region) throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                admin.assign(region.getRegionName());
                return;
            } catch (IOException e) {
                if (attempt == ASSIGN_ATTEMPTS) throw e;
                Thread.sleep(1_000);
            }
        }
    }

    private String move(double position, double positionOfServer) throws IOException {
        RegionInfo region = regions().get((int) (position * regions().size()));
        ServerName from = serverOf(name, region.getStartKey());
        var others = liveServers().stream().filter(server -> !server.equals(from)).sorted().toList();
        if (others.isEmpty()) throw new IOException("there is one server");
        ServerName to = others.get((int) (positionOfServer * others.size()));
        admin.move(region.getEncodedNameAsBytes(), to);
        return Bytes.toStringBinary(region.getStartKey()) + " to " + to.getPort();
    }

    private ServerName serverOf(TableName table, byte[] key) throws IOException {
        try (var locator = connection.getRegionLocator(table)) {
            return locator.getRegionLocation(key, true).getServerName();
        }
    }

    private Collection<ServerName> liveServers() throws IOException {
        return admin.getClusterMetrics(EnumSet.of(ClusterMetrics.Option.LIVE_SERVERS)).getLiveServerMetrics().keySet();
    }

    private String where(String what) throws IOException {
        if (what.equals("meta")) return Integer.toString(serverOf(TableName.META_TABLE_NAME, HConstants.EMPTY_START_ROW).getPort());
        long most = -1;
        ServerName busiest = null;
        for (ServerName server : liveServers()) {
            long count = openAt(server);
            if (count > most) {
                most = count;
                busiest = server;
            }
        }
        if (busiest == null) throw new IOException("no server lives");
        return Integer.toString(busiest.getPort());
    }

    private long openAt(ServerName server) throws IOException {
        return admin.getRegions(server).stream().filter(region -> region.getTable().equals(name)).count();
    }

    private boolean isSettled(int servers) throws IOException {
        var metrics = admin.getClusterMetrics(EnumSet.of(ClusterMetrics.Option.LIVE_SERVERS, ClusterMetrics.Option.REGIONS_IN_TRANSITION));
        if (metrics.getLiveServerMetrics().size() != servers || !metrics.getRegionStatesInTransition().isEmpty()) return false;
        long open = 0;
        for (ServerName server : metrics.getLiveServerMetrics().keySet()) open += openAt(server);
        // Those of hbase:meta may be closed.
        return open == regions().size();
    }

    private List<RegionInfo> regions() throws IOException {
        return admin.getRegions(name).stream().filter(region -> !region.isSplitParent() && !region.isOffline())
                .sorted(RegionInfo.COMPARATOR).toList();
    }

    private String scan(String id) throws IOException {
        long count = 0;
        try (var rows = table.getScanner(new Scan().addFamily(TRIGGER).setCaching(1000))) {
            for (Result row : rows) {
                var cell = row.getColumnLatestCell(TRIGGER, CANDID);
                long candid = Bytes.toLong(row.getValue(TRIGGER, CANDID));
                say(id + "\trow\t" + Bytes.toString(row.getRow()) + "\t" + cell.getTimestamp() + "\t" + candid);
                count++;
            }
        }
        return Long.toString(count);
    }
}
