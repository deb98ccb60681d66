"""What Meta is told about a lead: user data, events, rules; pure."""
