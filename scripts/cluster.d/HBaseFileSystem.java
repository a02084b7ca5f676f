import java.io.IOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.LocalFileSystem;

/**
 * The local file system, without Hadoop's checksum files beside each file. Their stream keeps what was
 * written in a buffer and ignores HBase's wish to sync, so that a killed region server loses writes it
 * had acknowledged. Without them a synced write-ahead log has reached the operating system, and
 * survives the process (though not a power cut).
 */
public final class HBaseFileSystem extends LocalFileSystem {
    @Override
    public void initialize(URI name, Configuration conf) throws IOException {
        super.initialize(name, conf);
        setWriteChecksum(false);
        setVerifyChecksum(false);
    }
}
