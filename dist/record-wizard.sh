#!/bin/sh
# Records `gobag-image plan` from the first question to the finished HTML, as a person sees it: the real program in tmux, keys sent to it, and
# every screen written down as text. Usage: dist/record-wizard.sh [PROGRAM] > docs/recordings/plan.txt
#
# Nothing is asked of the clock but patience: a screen counts when the question's name and its prompt stand on it.
set -eu

program=$(realpath "${1:-target/debug/gobag-image}")
folder=$(mktemp -d)
socket=$folder/tmux
mkdir "$folder/acme"
tmux="tmux -S $socket -f /dev/null"
trap '$tmux kill-server 2>/dev/null || true; rm -rf "$folder"' EXIT

screen() { $tmux capture-pane -p -t wizard | sed 's/[[:space:]]*$//'; }
# The name of the question on the screen that was asked last.
asked() { screen | sed -n 's/^.* · \([a-z-]*\) · [0-9]* to go$/\1/p' | tail -n 1; }
keys() { $tmux send-keys -t wizard "$@"; }
# Waits until the screen holds a line that matches.
wait_for() {
    tries=300
    until screen | grep -q -- "$1"; do
        tries=$((tries - 1))
        if [ $tries -eq 0 ]; then
            echo "error: waited for \`$1\`; the screen:" >&2
            screen >&2
            exit 1
        fi
        sleep 0.1
    done
}
show() {
    printf '\n==== %s ====\n' "$1"
    # Blank lines at the end are only the screen's.
    screen | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

$tmux new-session -d -s wizard -x 110 -y 40 -c "$folder" "PATH='$(dirname "$program"):$PATH' PS1='\$ ' exec sh"
wait_for '^\$'
cat <<'HEAD'
`gobag-image plan`, recorded in tmux by dist/record-wizard.sh: a screen of 110 by 40 for each question, before it is answered.
HEAD
keys "$(basename "$program") plan acme; echo exit code \$?" Enter
last=
while :; do
    tries=300
    until id=$(asked) && { [ "$id" != "$last" ] || screen | grep -q '^exit code'; }; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "error: nothing comes after \`$last\`" >&2; screen >&2; exit 1; }
        sleep 0.1
    done
    if screen | grep -q '^exit code'; then
        break
    fi
    wait_for "^[?✔]* *$id\(:\| 1\| \[\| \).*"
    show "$id"
    case $id in
    plan-exists | offline) keys y Enter ;;
    sensitive-data | remote-access) keys n Enter ;;
    people) keys 20 Enter ;;
    applications)
        keys LibreOffice Enter
        wait_for 'applications 2'
        keys Enter
        ;;
    data-access | host-systems) keys Space Enter ;;
    may-install) keys Down Down Enter ;;
    *) keys Enter ;;
    esac
    last=$id
    # What stands there now is history; the next heading is the next question's.
done
show 'the plan'
keys clear Enter
wait_for '^\$ *$'
keys 'ls acme; head -n 9 acme/checklist-en.html' Enter
wait_for '<title>'
show 'what was written'
