#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# commit_msg.sh FILE: checks the message of a commit, as git's hook `commit-msg`. The subject is `area: imperative subject`,
# at most 72 characters, without a period at its end; an empty line separates it from the body. Messages that git writes
# itself (merges, reverts, fixups) pass. Prints one line for each fault and fails.
set -u
subject=$(sed -n '/^#/d; p' "$1" | sed -n 1p)
second=$(sed -n '/^#/d; p' "$1" | sed -n 2p)
failed=0

fault() {
  echo "commit message: $1: '$subject'" >&2
  failed=1
}

case $subject in
  'Merge '* | 'Revert "'* | 'fixup! '* | 'squash! '* | 'amend! '*) exit 0 ;;
esac

length=$(printf '%s' "$subject" | LC_ALL=C.UTF-8 wc -m)
[ "$length" -le 72 ] || fault "the subject has $length characters, more than 72"
[ -z "$second" ] || fault 'an empty line has to follow the subject'

printf '%s\n' "$subject" | grep -Eq '^[a-z][a-z0-9_./-]*: [a-z]' ||
  fault "the subject has to be 'area: imperative subject', both in lower case"

case $subject in
  *.) fault 'the subject ends with a period' ;;
esac

# The imperative is the bare verb. Its other forms end in -s, -ed or -ing, as few bare verbs do.
verb=$(printf '%s\n' "$subject" | sed -n 's/^[^:]*: \([a-z]*\).*/\1/p')
case $verb in
  *ss | alias | bias | canvas | focus) ;;
  bleed | breed | embed | exceed | feed | heed | need | proceed | seed | shed | shred | speed | succeed | weed) ;;
  bring | cling | ping | ring | sing | spring | sting | string | swing | wring) ;;
  *s | *ed | *ing) fault "'$verb' is not the imperative of a verb" ;;
esac

exit $failed
