"""People, rung through Apprise; apart from the CRM adapters, as an alert never holds up a delivery."""
