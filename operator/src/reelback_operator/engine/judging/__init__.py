"""What a look at Sentry says about a release: the checks, and the tests behind them."""
