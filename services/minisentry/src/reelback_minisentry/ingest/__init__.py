"""The way in: envelopes and OTLP over HTTP become records of the store."""
