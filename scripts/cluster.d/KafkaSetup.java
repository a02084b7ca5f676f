import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.Resource;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * What scripts/cluster does to Kafka from inside a JVM. Not with Kafka's own command line tools, since
 * those take passwords as arguments, which every user of the machine can read in `ps`.
 *
 * <pre>
 * format SECRETS CLUSTER_ID SERVER_PROPERTIES...   prepare the brokers' directories; the user admin exists after it
 * ready  SECRETS BOOTSTRAP IDS SECONDS             wait until the brokers IDS (1,2,3) answer admin
 * access SECRETS BOOTSTRAP IDS SECONDS             ready, then the other users and what each may do
 * </pre>
 *
 * SECRETS is the directory with admin.password, producer.password and consumer.password.
 */
public final class KafkaSetup {
    private static final List<ScramMechanism> MECHANISMS =
            List.of(ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256);
    private static final int ITERATIONS = 4096;

    public static void main(String[] args) throws Exception {
        try {
            switch (args[0]) {
                case "format" -> format(Path.of(args[1]), args[2], Arrays.asList(args).subList(3, args.length));
                case "ready", "access" -> {
                    try (Admin admin = admin(Path.of(args[1]), args[2])) {
                        awaitBrokers(admin, args[3], Integer.parseInt(args[4]));
                        if (args[0].equals("access")) {
                            addUsers(admin, Path.of(args[1]));
                            grant(admin);
                        }
                    }
                }
                default -> throw new IllegalArgumentException("unknown command " + args[0]);
            }
        } catch (ExecutionException e) {
            fail(e.getCause());
        } catch (Exception e) {
            fail(e);
        }
        System.exit(0);
    }

    private static void fail(Throwable e) {
        System.err.println(e);
        System.exit(1);
    }

    private static String password(Path secrets, String name) throws IOException {
        return Files.readString(secrets.resolve(name + ".password")).strip();
    }

    private static void format(Path secrets, String clusterId, List<String> configs) throws IOException {
        for (String config : configs) {
            var arguments = new ArrayList<>(
                    List.of("format", "--ignore-formatted", "--cluster-id", clusterId, "--config", config));
            for (ScramMechanism mechanism : MECHANISMS) {
                arguments.add("--add-scram");
                arguments.add(mechanism.mechanismName() + "=[name=admin,iterations=" + ITERATIONS + ",password="
                        + password(secrets, "admin") + "]");
            }
            int status = kafka.tools.StorageTool.execute(arguments.toArray(String[]::new), System.out);
            if (status != 0) throw new IOException("formatting the storage of " + config + " failed");
        }
    }

    private static Admin admin(Path secrets, String bootstrap) throws IOException {
        var properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("security.protocol", "SASL_PLAINTEXT");
        properties.put("sasl.mechanism", "SCRAM-SHA-512");
        properties.put("sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"admin\" password=\""
                        + password(secrets, "admin") + "\";");
        properties.put("request.timeout.ms", "5000");
        properties.put("default.api.timeout.ms", "10000");
        properties.put("reconnect.backoff.ms", "100");
        properties.put("reconnect.backoff.max.ms", "250");
        return Admin.create(properties);
    }

    /** A port that accepts connections is not yet a broker that serves: ask each one something only admin may ask. */
    private static void awaitBrokers(Admin admin, String ids, int seconds) throws Exception {
        Set<Integer> wanted = Arrays.stream(ids.split(",")).map(Integer::valueOf).collect(Collectors.toSet());
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        Set<Integer> missing = new HashSet<>(wanted);
        Throwable last = null;
        while (true) {
            try {
                for (Node node : admin.describeCluster().nodes().get()) {
                    if (!missing.contains(node.id())) continue;
                    var broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
                    admin.describeConfigs(List.of(broker)).all().get(); // goes to that very broker
                    missing.remove(node.id());
                }
                if (missing.isEmpty()) return;
            } catch (ExecutionException e) {
                last = e.getCause();
            }
            if (System.nanoTime() > deadline)
                throw new IOException("no answer from broker " + missing + " within " + seconds + " s"
                        + (last == null ? "" : ": " + last));
            Thread.sleep(100);
        }
    }

    // ---- users and their rights: the part that a Kafka manager of fink's own may one day take over ----

    private static final Map<String, String> USERS = Map.of("finkProducer", "producer", "finkConsumer", "consumer");

    /** Adds only what is missing: writing a password again would give it a new salt for nothing. */
    private static void addUsers(Admin admin, Path secrets) throws Exception {
        var known = admin.describeUserScramCredentials().all().get();
        for (ScramMechanism mechanism : MECHANISMS) { // one request must not name a user twice
            var missing = new ArrayList<UserScramCredentialAlteration>();
            for (var user : USERS.entrySet()) {
                var description = known.get(user.getKey());
                boolean has = description != null && description.credentialInfos().stream()
                        .anyMatch(info -> info.mechanism() == mechanism);
                if (!has)
                    missing.add(new UserScramCredentialUpsertion(user.getKey(),
                            new ScramCredentialInfo(mechanism, ITERATIONS), password(secrets, user.getValue())));
            }
            if (!missing.isEmpty()) admin.alterUserScramCredentials(missing).all().get();
        }
    }

    /** The least that each needs; admin is a super user, who is never asked. Everybody else may do nothing. */
    private static void grant(Admin admin) throws Exception {
        var acls = new ArrayList<AclBinding>();
        // The producer makes its topics, writes to them, looks at their configuration to be sure that the checkpoint
        // is compacted and no other topic is...
        allow(acls, "finkProducer", ResourceType.TOPIC, "fink_", AclOperation.CREATE, AclOperation.DESCRIBE,
                AclOperation.DESCRIBE_CONFIGS, AclOperation.WRITE);
        // ...and reads back only its own checkpoint. It assigns itself the partitions, so needs no group.
        allow(acls, "finkProducer", ResourceType.TOPIC, "fink_checkpoint_",
                AclOperation.READ, AclOperation.DESCRIBE);
        // Alerts and checkpoint are one transaction; its id begins with the distribution's name.
        allow(acls, "finkProducer", ResourceType.TRANSACTIONAL_ID, "fink",
                AclOperation.WRITE, AclOperation.DESCRIBE);
        acls.add(binding("finkProducer", new ResourcePattern(ResourceType.CLUSTER, Resource.CLUSTER_NAME,
                PatternType.LITERAL), AclOperation.IDEMPOTENT_WRITE));
        // Consumers read alerts, in groups whose names begin with fink.
        allow(acls, "finkConsumer", ResourceType.TOPIC, "fink_", AclOperation.READ, AclOperation.DESCRIBE);
        allow(acls, "finkConsumer", ResourceType.GROUP, "fink", AclOperation.READ);
        admin.createAcls(acls).all().get();
    }

    private static void allow(List<AclBinding> acls, String user, ResourceType type, String prefix,
            AclOperation... operations) {
        for (AclOperation operation : operations)
            acls.add(binding(user, new ResourcePattern(type, prefix, PatternType.PREFIXED), operation));
    }

    private static AclBinding binding(String user, ResourcePattern resource, AclOperation operation) {
        return new AclBinding(resource,
                new AccessControlEntry("User:" + user, "*", operation, AclPermissionType.ALLOW));
    }
}
