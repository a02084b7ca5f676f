import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.Cell;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.io.ImmutableBytesWritable;
import org.apache.hadoop.hbase.mapreduce.TableInputFormat;
import org.apache.hadoop.hbase.mapreduce.TableMapReduceUtil;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.Tuple2;

/**
 * fink's job as a hand-tuned Spark job: HBase's TableInputFormat, one task a region, cells straight to an Avro datum without
 * a record in between, and Spark's Kafka sink (acks=all, at least once: no transactions, no checkpoint).
 *
 * Usage: java -cp SPARK SparkJob JOB.json
 *
 * JOB.json is that of pipeline.py, and names HBase's ZooKeeper. For each topic, a line on standard input, it sends the whole
 * table there and prints a line of JSON: alerts and seconds. The first is the warm-up.
 */
public class SparkJob {
    public static void main(String[] args) throws Exception {
        JsonNode job = new ObjectMapper().readTree(new File(args[0]));
        SparkSession spark = SparkSession.builder()
                .master("local[2]")
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                // The sizes of regions are not asked for, so all seem empty.
                .config("spark.hadoopRDD.ignoreEmptySplits", false)
                .getOrCreate();
        spark.sparkContext().setLogLevel("WARN");
        BufferedReader topics = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String topic; (topic = topics.readLine()) != null; ) {
            long start = System.nanoTime();
            long alerts = send(spark, job, topic);
            System.out.printf("{\"alerts\":%d,\"seconds\":%.4f}%n", alerts, (System.nanoTime() - start) / 1e9);
        }
        spark.stop();
    }

    private static long send(SparkSession spark, JsonNode job, String topic) throws IOException {
        JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        Plan plan = new Plan(job);
        byte[] key = job.get("key").asText().equals("schema") ? plan.compactSchema() : null;
        int partitions = job.get("partitions").asInt();
        var sent = spark.sparkContext().longAccumulator();
        JavaRDD<Row> messages = context.newAPIHadoopRDD(
                        scan(job), TableInputFormat.class, ImmutableBytesWritable.class, Result.class)
                .mapPartitions(rows -> {
                    RowEncoder encoder = new RowEncoder(plan);
                    return new Iterator<Row>() {
                        @Override
                        public boolean hasNext() {
                            return rows.hasNext();
                        }

                        @Override
                        public Row next() {
                            Tuple2<ImmutableBytesWritable, Result> row = rows.next();
                            byte[] value = encoder.encode(row._2);
                            sent.add(1);
                            return RowFactory.create(key, value, encoder.partition(partitions));
                        }
                    };
                });
        StructType type = new StructType()
                .add("key", DataTypes.BinaryType)
                .add("value", DataTypes.BinaryType)
                .add("partition", DataTypes.IntegerType);
        DataFrameWriter<Row> writer = spark.createDataFrame(messages, type).write().format("kafka");
        producer(job).forEach(writer::option);
        writer.option("topic", topic).save();
        return sent.value();
    }

    private static Configuration scan(JsonNode job) throws IOException {
        String[] zookeeper = job.get("zookeeper").asText().split(":");
        Configuration conf = HBaseConfiguration.create();
        conf.set("hbase.zookeeper.quorum", zookeeper[0]);
        conf.set("hbase.zookeeper.property.clientPort", zookeeper[1]);
        conf.set("hbase.regionsizecalculator.enable", "false");
        conf.set(TableInputFormat.INPUT_TABLE, job.get("table").asText());
        Scan scan = new Scan().setTimeRange(0, System.currentTimeMillis());
        scan.setCaching(200).setMaxResultSize(4 << 20).setCacheBlocks(false).setReadType(Scan.ReadType.STREAM);
        conf.set(TableInputFormat.SCAN, TableMapReduceUtil.convertScanToString(scan));
        return conf;
    }

    /** fink's settings, by the names of Kafka's Java producer. */
    private static Map<String, String> producer(JsonNode job) throws IOException {
        String password = Files.readString(Path.of(job.get("password_file").asText())).strip();
        JsonNode settings = job.get("producer");
        Map<String, String> options = new TreeMap<>();
        options.put("kafka.bootstrap.servers", job.get("bootstrap_servers").asText());
        options.put("kafka.security.protocol", job.get("security_protocol").asText().toUpperCase());
        options.put("kafka.sasl.mechanism", job.get("sasl_mechanism").asText());
        options.put("kafka.sasl.jaas.config", String.format(
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";",
                job.get("username").asText(), password));
        options.put("kafka.acks", "all");
        options.put("kafka.enable.idempotence", "true");
        options.put("kafka.linger.ms", settings.get("linger.ms").asText());
        options.put("kafka.batch.size", settings.get("batch.size").asText());
        options.put("kafka.max.request.size", settings.get("message.max.bytes").asText());
        options.put("kafka.buffer.memory", String.valueOf(128 << 20));
        return options;
    }

    /** The catalog's columns and the alerts' schema: what a task needs to make its encoder. */
    private static final class Plan implements Serializable {
        private final String schema;
        private final String catalog;
        private final String objectId;

        Plan(JsonNode job) throws IOException {
            schema = Files.readString(Path.of(job.get("schema").asText()));
            catalog = Files.readString(Path.of(job.get("catalog").asText()));
            objectId = job.get("object_id").asText();
        }

        byte[] compactSchema() throws IOException {
            ObjectMapper mapper = new ObjectMapper();
            return mapper.writeValueAsBytes(mapper.readTree(schema));
        }
    }

    /** Writes a field, or a record's fields, of the row in `RowEncoder.cells`. */
    private interface Field {
        void write() throws IOException;
    }

    private record Column(byte[] family, byte[] qualifier) implements Comparable<Column> {
        @Override
        public int compareTo(Column other) {
            int families = Bytes.compareTo(family, other.family);
            return families != 0 ? families : Bytes.compareTo(qualifier, other.qualifier);
        }

        int compareTo(Cell cell) {
            int families = Bytes.compareTo(family, 0, family.length,
                    cell.getFamilyArray(), cell.getFamilyOffset(), cell.getFamilyLength());
            return families != 0 ? families : Bytes.compareTo(qualifier, 0, qualifier.length,
                    cell.getQualifierArray(), cell.getQualifierOffset(), cell.getQualifierLength());
        }
    }

    /** The counterpart of cells.py, for one task. */
    private static final class RowEncoder {
        private final JsonNode columns;
        /** The columns that are needed, in HBase's order, and the cell of each in the present row. */
        private final Column[] order;
        private final Cell[] cells;
        private final int objectId;
        private final int keyColumn;
        private final Field alert;
        private final ByteArrayOutputStream buffer = new ByteArrayOutputStream(1 << 17);
        private final BinaryEncoder out = EncoderFactory.get().binaryEncoder(buffer, null);
        private final CRC32 crc = new CRC32();

        RowEncoder(Plan plan) throws IOException {
            ObjectMapper mapper = new ObjectMapper();
            JsonNode catalog = mapper.readTree(plan.catalog);
            if (catalog.isTextual()) catalog = mapper.readTree(catalog.asText());
            columns = catalog.get("columns");
            List<Column> all = new ArrayList<>();
            columns.fieldNames().forEachRemaining(name -> all.add(column(name)));
            Collections.sort(all);
            order = all.toArray(new Column[0]);
            cells = new Cell[order.length];
            objectId = slot(plan.objectId);
            int inKey = -1;
            for (int at = 0; at < order.length; at++) if (Bytes.toString(order[at].family).equals("rowkey")) inKey = at;
            keyColumn = inKey;
            alert = record(new Schema.Parser().setValidateDefaults(false).parse(plan.schema), "");
        }

        byte[] encode(Result row) {
            Arrays.fill(cells, null);
            int at = 0;
            for (Cell cell : row.rawCells()) {
                int compared = -1;
                while (at < order.length && (compared = order[at].compareTo(cell)) < 0) at++;
                if (compared == 0) cells[at++] = cell;
            }
            if (keyColumn >= 0) cells[keyColumn] = new org.apache.hadoop.hbase.KeyValue(
                    row.getRow(), order[keyColumn].family, order[keyColumn].qualifier, row.getRow());
            buffer.reset();
            try {
                alert.write();
                out.flush();
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
            return buffer.toByteArray();
        }

        int partition(int partitions) {
            Cell cell = cells[objectId];
            crc.reset();
            crc.update(cell.getValueArray(), cell.getValueOffset(), cell.getValueLength());
            return (int) (crc.getValue() % partitions);
        }

        private Column column(String name) {
            JsonNode column = columns.get(name);
            return new Column(column.get("cf").asText().getBytes(UTF_8), column.get("col").asText().getBytes(UTF_8));
        }

        private int slot(String name) {
            return Arrays.binarySearch(order, column(name));
        }

        private Field record(Schema schema, String prefix) {
            Field[] fields = schema.getFields().stream()
                    .map(field -> field(field.schema(), prefix + field.name()))
                    .toArray(Field[]::new);
            return () -> {
                for (Field field : fields) field.write();
            };
        }

        private Field field(Schema schema, String name) {
            if (schema.getType() != Schema.Type.UNION) return required(schema, name);
            int nothing = schema.getIndexNamed("null"), something = 1 - nothing;
            if (schema.getTypes().size() != 2) throw new IllegalArgumentException(name + " is not a union of T and null");
            Schema branch = schema.getTypes().get(something);
            int[] evidence = evidence(branch, name);
            Field field = required(branch, name);
            return () -> {
                for (int slot : evidence) {
                    if (cells[slot] != null) {
                        out.writeIndex(something);
                        field.write();
                        return;
                    }
                }
                out.writeIndex(nothing);
            };
        }

        private boolean isOneCell(Schema schema, String name) {
            return columns.has(name)
                    && (schema.getType() != Schema.Type.RECORD || columns.get(name).get("type").asText().equals("avro"));
        }

        /** The cells of which one stands in a row where the field is not null. */
        private int[] evidence(Schema schema, String name) {
            if (isOneCell(schema, name)) return new int[] {slot(name)};
            if (schema.getType() == Schema.Type.ARRAY)
                return new int[] {slot(name + "_" + schema.getElementType().getFields().get(0).name())};
            List<Integer> slots = new ArrayList<>();
            columns.fieldNames().forEachRemaining(column -> {
                if (column.equals(name) || column.startsWith(name + "_")) slots.add(slot(column));
            });
            return slots.stream().mapToInt(Integer::intValue).toArray();
        }

        private Field required(Schema schema, String name) {
            if (isOneCell(schema, name)) return cell(schema, name);
            return switch (schema.getType()) {
                case RECORD -> record(schema, name + "_");
                case ARRAY -> textArray(schema.getElementType(), name);
                default -> throw new IllegalArgumentException(name + ": the catalog has no such column");
            };
        }

        private Field cell(Schema schema, String name) {
            int slot = slot(name);
            String type = columns.get(name).get("type").asText();
            if (type.equals("avro")) {
                return () -> {
                    Cell cell = cells[slot];
                    byte[] array = cell.getValueArray();
                    int from = cell.getValueOffset(), length = cell.getValueLength();
                    // The header of a single object, which names the schema.
                    int header = length >= 10 && array[from] == (byte) 0xC3 && array[from + 1] == 1 ? 10 : 0;
                    out.writeFixed(array, from + header, length - header);
                };
            }
            return switch (schema.getType()) {
                case STRING, BYTES -> () -> {
                    Cell cell = cells[slot];
                    out.writeBytes(cell.getValueArray(), cell.getValueOffset(), cell.getValueLength());
                };
                case BOOLEAN -> () -> out.writeBoolean(cells[slot].getValueArray()[cells[slot].getValueOffset()] != 0);
                case FLOAT -> () -> out.writeFloat(
                        Float.intBitsToFloat(Bytes.readAsInt(cells[slot].getValueArray(), cells[slot].getValueOffset(), 4)));
                case DOUBLE -> () -> out.writeDouble(
                        Bytes.toDouble(cells[slot].getValueArray(), cells[slot].getValueOffset()));
                case INT -> () -> out.writeInt((int) integer(cells[slot]));
                case LONG -> () -> out.writeLong(integer(cells[slot]));
                default -> throw new IllegalArgumentException(name + ": a cell that is " + schema);
            };
        }

        private static long integer(Cell cell) {
            byte[] array = cell.getValueArray();
            int from = cell.getValueOffset();
            return switch (cell.getValueLength()) {
                case 8 -> Bytes.toLong(array, from);
                case 4 -> Bytes.toInt(array, from);
                case 2 -> Bytes.toShort(array, from);
                default -> array[from];
            };
        }

        private Field textArray(Schema items, String name) {
            TextColumn[] fields = items.getFields().stream()
                    .map(field -> new TextColumn(field.schema(), slot(name + "_" + field.name())))
                    .toArray(TextColumn[]::new);
            return () -> {
                for (TextColumn field : fields) field.begin(cells[field.slot]);
                int length = fields[0].length();
                out.writeArrayStart();
                out.setItemCount(length);
                for (int item = 0; item < length; item++) {
                    out.startItem();
                    for (TextColumn field : fields) field.write(out);
                }
                out.writeArrayEnd();
            };
        }
    }

    /** One field's text, `[2458.1,, 2458.3]`, read element by element. */
    private static final class TextColumn {
        private static final double[] POWERS = {
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
        };
        final int slot;
        private final Schema.Type type;
        /** The branches' numbers in the union; -1: no union. */
        private final int nothing;
        private final int something;
        private byte[] text;
        private int at;
        private int end;

        TextColumn(Schema schema, int slot) {
            this.slot = slot;
            boolean union = schema.getType() == Schema.Type.UNION;
            nothing = union ? schema.getIndexNamed("null") : -1;
            something = 1 - nothing;
            type = union ? schema.getTypes().get(something).getType() : schema.getType();
        }

        void begin(Cell cell) {
            text = cell.getValueArray();
            at = cell.getValueOffset() + 1;
            end = cell.getValueOffset() + cell.getValueLength() - 1;
        }

        int length() {
            if (at >= end) return 0;
            int length = 1;
            for (int i = at; i < end; i++) if (text[i] == ',') length++;
            return length;
        }

        void write(BinaryEncoder out) throws IOException {
            int from = at;
            while (from < end && text[from] == ' ') from++;
            int to = from;
            while (to < end && text[to] != ',') to++;
            at = to + 1;
            if (nothing >= 0) {
                out.writeIndex(from == to ? nothing : something);
                if (from == to) return;
            }
            switch (type) {
                case STRING, BYTES -> out.writeBytes(text, from, to - from);
                case BOOLEAN -> out.writeBoolean(text[from] == 't');
                case INT -> out.writeInt((int) integer(from, to));
                case LONG -> out.writeLong(integer(from, to));
                case FLOAT -> out.writeFloat((float) number(from, to));
                case DOUBLE -> out.writeDouble(number(from, to));
                default -> throw new IllegalArgumentException("text of " + type);
            }
        }

        private long integer(int from, int to) {
            boolean negative = text[from] == '-';
            long value = 0;
            for (int i = negative ? from + 1 : from; i < to; i++) value = value * 10 + text[i] - '0';
            return negative ? -value : value;
        }

        /** Without rounding where digits and power of ten are exact doubles, which is nearly always; else as Java reads it. */
        private double number(int from, int to) {
            int i = from, digits = 0, exponent = 0;
            boolean negative = text[i] == '-';
            if (negative) i++;
            long mantissa = 0;
            boolean fraction = false;
            for (; i < to; i++) {
                byte c = text[i];
                if (c >= '0' && c <= '9') {
                    mantissa = mantissa * 10 + c - '0';
                    if (mantissa != 0) digits++;
                    if (fraction) exponent--;
                } else if (c == '.' && !fraction) {
                    fraction = true;
                } else {
                    break;
                }
                if (digits > 18) break;
            }
            if (i < to && (text[i] == 'e' || text[i] == 'E')) {
                exponent += Integer.parseInt(new String(text, i + 1, to - i - 1, UTF_8));
                i = to;
            }
            if (i < to || mantissa > 1L << 53 || Math.abs(exponent) > 22)
                return Double.parseDouble(new String(text, from, to - from, UTF_8));
            double value = exponent < 0 ? mantissa / POWERS[-exponent] : mantissa * POWERS[exponent];
            return negative ? -value : value;
        }
    }
}
