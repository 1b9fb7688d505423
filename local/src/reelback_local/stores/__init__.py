"""The servers that services keep things in: Redis, Kafka, MongoDB, and the jars that two of them are made of."""
