"""What the platform's events add up to: business metrics and fraud rules."""
