"""`python -m crm_adapters.conformance package.module:subject`: run all checks without pytest and print what was found."""

import sys
from importlib import import_module
from operator import attrgetter

from crm_adapters.conformance.runner import CHECKS, run
from crm_adapters.conformance.subject import Subject

USAGE = "usage: python -m crm_adapters.conformance package.module:name_of_the_subject"


def main(arguments: list[str]) -> int:
    """0: conforms; 1: does not; 2: there is no such subject."""
    module, colon, name = arguments[0].partition(":") if len(arguments) == 1 else ("", "", "")
    if not colon:
        print(USAGE, file=sys.stderr)
        return 2
    sys.path.insert(0, "")
    try:
        subject = attrgetter(name)(import_module(module))
    except AttributeError:
        subject = None
    if not isinstance(subject, Subject):
        print(f"{module} has no Subject called {name}.\n{USAGE}", file=sys.stderr)
        return 2
    findings = run(subject)
    for finding in findings:
        print(f"{'FAIL' if finding.problem else 'ok  '} {finding.name} {finding.took_s:.2f} s")
        if finding.problem:
            rule = (CHECKS[finding.name].__doc__ or "").strip().partition("\n")[0]
            print(f"     {finding.problem}\n     rule: {rule}")
    failed = sum(bool(finding.problem) for finding in findings)
    print(f"{len(findings)} checks, {failed} failed; {len(subject.skip)} skipped, {len(subject.overrides)} overridden")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
