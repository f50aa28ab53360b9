#!/bin/sh
# Starts Redis with one user per service, from the container's environment. Passwords are in no command line and in no file that lasts:
# the list of users is on a tmpfs, as hashes. (A tmpfs of its own would be root's after a restart.)
set -eu
umask 077
users=/tmp/users.acl
# The user "default" may do all, and nobody can log in as it: Redis itself replays its file of commands in its name, and drops what it may not do.
hash() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
cat >"$users" <<ACL
user default off ~* &* +@all
user health on nopass -@all +ping
user parser on #$(hash "$REDIS_PASSWORD_PARSER") ~tidemark:posts ~{tidemark:posts}:* resetchannels -@all +@connection +@stream +@transaction +get +set
user watermark on #$(hash "$REDIS_PASSWORD_WATERMARK") ~tidemark:watermark:* resetchannels -@all +@connection +get +mget +set +del
user reader on #$(hash "$REDIS_PASSWORD_READER") ~tidemark:posts resetchannels -@all +@connection +exists +xread +xrange +xrevrange +xlen +xinfo +xgroup +xreadgroup +xack +xpending +xclaim +xautoclaim
ACL
unset REDIS_PASSWORD_PARSER REDIS_PASSWORD_WATERMARK REDIS_PASSWORD_READER
exec docker-entrypoint.sh redis-server /etc/tidemark/redis.conf --aclfile "$users"
