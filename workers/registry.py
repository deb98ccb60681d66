"""Which job does which kind of work."""

from store.admin_alerts import KIND as ADMIN_ALERT
from store.conversions import SEND
from workers import (
    admin_alerts,
    conversions,
    deliveries,
    events,
    fetches,
    leads,
    notices,
    outcomes,
    quality,
)
from workers.jobs import Job, Jobs

JOBS: Jobs = {
    "event": Job(events.run),
    "fetch": Job(fetches.run, fingerprint=fetches.current_fingerprint),
    "lead": Job(leads.run, leads.fail, leads.current_fingerprint),
    "delivery": Job(deliveries.run, deliveries.fail, deliveries.current_fingerprint),
    "outcome": Job(outcomes.run),
    SEND: Job(conversions.run, fingerprint=conversions.current_fingerprint),
    quality.QUALITY: Job(quality.run),
    "notice": Job(notices.run, notices.fail, notices.current_fingerprint),
    ADMIN_ALERT: Job(admin_alerts.run, admin_alerts.fail, admin_alerts.current_fingerprint),
}
