"""HubSpot: contacts by upsert, notes with the answers. Paths and rules: CRM facts §1, read 2026-11-22."""

from crm_adapters.hubspot.adapter import HubSpot

__all__ = ["HubSpot"]
