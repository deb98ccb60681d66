"""Which job does which kind of work."""

from workers import deliveries, events, fetches, leads, notices
from workers.jobs import Job, Jobs

JOBS: Jobs = {
    "event": Job(events.run),
    "fetch": Job(fetches.run, fingerprint=fetches.current_fingerprint),
    "lead": Job(leads.run, leads.fail, leads.current_fingerprint),
    "delivery": Job(deliveries.run, deliveries.fail, deliveries.current_fingerprint),
    "notice": Job(notices.run, notices.fail, notices.current_fingerprint),
}
