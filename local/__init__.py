"""Tools for a laptop: Kafka, KafkaSource and the receivers on one machine. Never in the image."""
