"""Issues and the error events behind them."""
