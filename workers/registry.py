"""Which job does which kind of work."""

from workers import deliveries, events, leads, notices
from workers.jobs import Job, Jobs

JOBS: Jobs = {
    "event": Job(events.run),
    "lead": Job(leads.run, leads.fail, leads.current_fingerprint),
    "delivery": Job(deliveries.run, deliveries.fail, deliveries.current_fingerprint),
    "notice": Job(notices.run, notices.fail, notices.current_fingerprint),
}
