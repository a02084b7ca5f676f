import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptor;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.TableDescriptor;

/**
 * Prints what HBase knows of tables: for each one its flush policy, then for each of its families the name, the versions and the store engine.
 *
 * <p>usage: DescribeTables ZOOKEEPER_PORT TABLE...
 */
public final class DescribeTables {
  public static void main(String[] arguments) throws IOException {
    Configuration configuration = HBaseConfiguration.create();
    configuration.set("hbase.zookeeper.quorum", "127.0.0.1");
    configuration.set("hbase.zookeeper.property.clientPort", arguments[0]);
    try (Connection connection = ConnectionFactory.createConnection(configuration);
        Admin admin = connection.getAdmin()) {
      for (int i = 1; i < arguments.length; i++) {
        TableDescriptor table = admin.getDescriptor(TableName.valueOf(arguments[i]));
        System.out.println(simple(table.getFlushPolicyClassName()));
        for (ColumnFamilyDescriptor family : table.getColumnFamilies()) {
          String engine = simple(family.getConfigurationValue("hbase.hstore.engine.class"));
          System.out.println(family.getNameAsString() + " " + family.getMaxVersions() + " " + engine);
        }
      }
    }
  }

  private static String simple(String className) {
    return className == null ? "-" : className.substring(className.lastIndexOf('.') + 1);
  }
}
