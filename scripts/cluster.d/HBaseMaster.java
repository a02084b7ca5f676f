import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.master.HMaster;
import sun.misc.Signal;

/**
 * HBase in local mode, that ends in good order on SIGTERM: first the regions, then the servers, then
 * ZooKeeper, as after `hbase master stop`. Left to its shutdown hooks, ZooKeeper goes first, and the
 * region server, its regions long closed, spends 20 seconds on trying to sign off there.
 */
public final class HBaseMaster {
    private static final long PATIENCE_MS = 15_000;

    public static void main(String[] args) {
        var asked = new AtomicBoolean();
        Signal.handle(new Signal("TERM"), signal -> {
            if (asked.getAndSet(true)) return;
            Thread order = new Thread(HBaseMaster::shutDown, "shutdown-order");
            order.setDaemon(true);
            order.start();
            Thread exit = new Thread(() -> exitAfter(order), "shutdown-exit");
            exit.setDaemon(true);
            exit.start();
        });
        HMaster.main(new String[] {"start"});
        // Returns when all servers have ended; some idle thread of theirs would keep the process for seconds.
        System.exit(0);
    }

    private static void shutDown() {
        try (Connection connection = ConnectionFactory.createConnection(HBaseConfiguration.create());
                Admin admin = connection.getAdmin()) {
            admin.shutdown();
        } catch (Throwable e) {
            System.err.println("orderly shutdown refused, leaving by the shutdown hooks: " + e);
            System.exit(143);
        }
    }

    /** Asked while it starts, HBase may not take the order, or end its servers and yet wait for them for minutes. */
    private static void exitAfter(Thread order) {
        long giveUp = System.nanoTime() + PATIENCE_MS * 1_000_000;
        try {
            while (serversRun()) {
                if (order.isAlive() && System.nanoTime() > giveUp) break; // the hooks close regions as well
                Thread.sleep(100);
            }
            Thread.sleep(2_000); // by itself is better
        } catch (InterruptedException e) {
            // then now
        }
        System.exit(143);
    }

    /** By the names that HBase's local mode gives to the threads of masters and region servers. */
    private static boolean serversRun() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().startsWith("M:") || thread.getName().startsWith("RS:"));
    }
}
