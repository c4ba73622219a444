"""The parts of the KafkaSource emulator: what is sent, what is retried, what is committed."""
