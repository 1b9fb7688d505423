"""Messages to players and staff: email, SMS, push and alerts."""
