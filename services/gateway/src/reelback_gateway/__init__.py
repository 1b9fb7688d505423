"""The one way in: HTTP and WebSocket outside, gRPC inside."""
