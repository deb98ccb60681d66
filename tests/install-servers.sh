#!/bin/sh
# What the tests need besides Python: Redis, PostgreSQL, Chromium, curl. Installs what is missing with the system's package
# manager and says plainly what it could not install. Does nothing, quickly, when all is there.
set -u

has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has initdb && has postgres || ls /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb >/dev/null 2>&1; }
has_chromium() { has chromium || has chromium-browser || has google-chrome || [ -d "/Applications/Google Chrome.app" ] || [ -d /Applications/Chromium.app ]; }

missing=""
has redis-server || missing="$missing redis-server"
has_postgres || missing="$missing postgresql"
has_chromium || missing="$missing chromium"
has curl || missing="$missing curl"
[ -n "$missing" ] || exit 0

echo "Installing for the tests:$missing"
if has apt-get; then
  as_root=""
  [ "$(id -u)" = 0 ] || { has sudo && as_root="sudo"; }
  if [ "$(id -u)" = 0 ] || [ -n "$as_root" ]; then
    log=$(mktemp)
    # shellcheck disable=SC2086
    { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1 || tail -n 15 "$log"
    rm -f "$log"
  fi
elif has brew; then
  for package in $missing; do
    case "$package" in
      redis-server) brew install redis ;;
      postgresql) brew install postgresql@17 ;;
      chromium) brew install --cask chromium ;;
      curl) brew install curl ;;
    esac
  done
fi

failed=0
has redis-server || { echo "Could not install Redis. Install it by hand (apt-get install redis-server, or brew install redis)."; failed=1; }
has_postgres || { echo "Could not install PostgreSQL. Install it by hand (apt-get install postgresql, or brew install postgresql@17)."; failed=1; }
has_chromium || { echo "Could not install Chromium. Install it by hand (apt-get install chromium, or brew install --cask chromium)."; failed=1; }
has curl || { echo "Could not install curl. Install it by hand (apt-get install curl, or brew install curl)."; failed=1; }
exit $failed
