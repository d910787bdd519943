/* SPDX-License-Identifier: MIT */
/*
 * The commands, one line each: name, arity (the number of words, negative: at least so many), flags as COMMAND shows
 * them, first key, last key, step, group, summary.
 */
#ifndef APPS_KV_COMMANDS_H
#define APPS_KV_COMMANDS_H

#define KV_COMMANDS(X)                                                                                                 \
    X(get, 2, "readonly fast", 1, 1, 1, "string", "Returns the value of a key.")                                       \
    X(set, -3, "write denyoom", 1, 1, 1, "string", "Sets the value of a key.")                                         \
    X(setnx, 3, "write denyoom fast", 1, 1, 1, "string", "Sets the value of a key that is not there.")                 \
    X(setex, 4, "write denyoom", 1, 1, 1, "string", "Sets value and expiry in seconds.")                               \
    X(psetex, 4, "write denyoom", 1, 1, 1, "string", "Sets value and expiry in milliseconds.")                         \
    X(getset, 3, "write denyoom fast", 1, 1, 1, "string", "Sets the value and returns the old one.")                   \
    X(getdel, 2, "write fast", 1, 1, 1, "string", "Returns the value and removes the key.")                            \
    X(getex, -2, "write fast", 1, 1, 1, "string", "Returns the value and sets the expiry.")                            \
    X(append, 3, "write denyoom fast", 1, 1, 1, "string", "Appends to the value of a key.")                            \
    X(strlen, 2, "readonly fast", 1, 1, 1, "string", "Returns the length of a value.")                                 \
    X(getrange, 4, "readonly", 1, 1, 1, "string", "Returns a part of a value.")                                        \
    X(setrange, 4, "write denyoom", 1, 1, 1, "string", "Writes over a part of a value.")                               \
    X(substr, 4, "readonly", 1, 1, 1, "string", "Returns a part of a value.")                                          \
    X(incr, 2, "write denyoom fast", 1, 1, 1, "string", "Adds one.")                                                   \
    X(decr, 2, "write denyoom fast", 1, 1, 1, "string", "Subtracts one.")                                              \
    X(incrby, 3, "write denyoom fast", 1, 1, 1, "string", "Adds a number.")                                            \
    X(decrby, 3, "write denyoom fast", 1, 1, 1, "string", "Subtracts a number.")                                       \
    X(incrbyfloat, 3, "write denyoom fast", 1, 1, 1, "string", "Adds a decimal fraction.")                             \
    X(mget, -2, "readonly fast", 1, -1, 1, "string", "Returns the values of several keys.")                            \
    X(mset, -3, "write denyoom", 1, -1, 2, "string", "Sets several keys.")                                             \
    X(msetnx, -3, "write denyoom", 1, -1, 2, "string", "Sets several keys when none is there.")                        \
    X(del, -2, "write", 1, -1, 1, "generic", "Removes keys.")                                                          \
    X(unlink, -2, "write fast", 1, -1, 1, "generic", "Removes keys.")                                                  \
    X(exists, -2, "readonly fast", 1, -1, 1, "generic", "Counts which of the keys are there.")                         \
    X(touch, -2, "readonly fast", 1, -1, 1, "generic", "Counts which of the keys are there and marks them used.")      \
    X(rename, 3, "write", 1, 2, 1, "generic", "Renames a key.")                                                        \
    X(renamenx, 3, "write fast", 1, 2, 1, "generic", "Renames a key when the new name is free.")                       \
    X(copy, -3, "write denyoom", 1, 2, 1, "generic", "Copies a key with its expiry.")                                  \
    X(object, -2, "readonly", 2, 2, 1, "generic", "Tells how a value is kept.")                                        \
    X(type, 2, "readonly fast", 1, 1, 1, "generic", "Returns the type of a key.")                                      \
    X(expire, -3, "write fast", 1, 1, 1, "generic", "Sets the expiry in seconds from now.")                            \
    X(pexpire, -3, "write fast", 1, 1, 1, "generic", "Sets the expiry in milliseconds from now.")                      \
    X(expireat, -3, "write fast", 1, 1, 1, "generic", "Sets the expiry as a Unix time in seconds.")                    \
    X(pexpireat, -3, "write fast", 1, 1, 1, "generic", "Sets the expiry as a Unix time in milliseconds.")              \
    X(ttl, 2, "readonly fast", 1, 1, 1, "generic", "Returns the seconds until a key expires.")                         \
    X(pttl, 2, "readonly fast", 1, 1, 1, "generic", "Returns the milliseconds until a key expires.")                   \
    X(expiretime, 2, "readonly fast", 1, 1, 1, "generic", "Returns the expiry in seconds.")                            \
    X(pexpiretime, 2, "readonly fast", 1, 1, 1, "generic", "Returns the expiry in milliseconds.")                      \
    X(persist, 2, "write fast", 1, 1, 1, "generic", "Takes the expiry away.")                                          \
    X(keys, 2, "readonly", 0, 0, 0, "generic", "Returns the keys that match a pattern.")                               \
    X(scan, -2, "readonly", 0, 0, 0, "generic", "Goes over the keys.")                                                 \
    X(randomkey, 1, "readonly", 0, 0, 0, "generic", "Returns some key.")                                               \
    X(dbsize, 1, "readonly fast", 0, 0, 0, "server", "Returns the number of keys.")                                    \
    X(flushdb, -1, "write", 0, 0, 0, "server", "Removes all keys.")                                                    \
    X(flushall, -1, "write", 0, 0, 0, "server", "Removes all keys.")                                                   \
    X(info, -1, "loading stale", 0, 0, 0, "server", "Tells how the server is.")                                        \
    X(config, -2, "admin loading stale", 0, 0, 0, "server", "Shows settings.")                                         \
    X(memory, -2, "readonly", 0, 0, 0, "server", "Tells what memory a key takes.")                                     \
    X(role, 1, "noscript loading stale fast", 0, 0, 0, "server", "Returns what the server is to others: a master.")    \
    X(wait, 3, "noscript", 0, 0, 0, "generic", "Returns 0: there are no replicas to wait for.")                        \
    X(command, -1, "loading stale", 0, 0, 0, "server", "Tells about commands.")                                        \
    X(time, 1, "loading stale fast", 0, 0, 0, "server", "Returns the server's time.")                                  \
    X(ping, -1, "fast", 0, 0, 0, "connection", "Answers.")                                                             \
    X(echo, 2, "fast", 0, 0, 0, "connection", "Returns its argument.")                                                 \
    X(auth, -2, "noscript loading stale fast", 0, 0, 0, "connection", "Accepts the user that needs no password.")      \
    X(hello, -1, "noscript loading stale fast", 0, 0, 0, "connection", "Chooses the protocol.")                        \
    X(client, -2, "noscript loading stale", 0, 0, 0, "connection", "Tells about connections.")                         \
    X(select, 2, "loading stale fast", 0, 0, 0, "connection", "Chooses the database: there is only 0.")                \
    X(quit, -1, "noscript loading stale fast", 0, 0, 0, "connection", "Ends the connection.")                          \
    X(reset, 1, "noscript loading stale fast", 0, 0, 0, "connection", "Makes the connection as new.")                  \
    X(multi, 1, "noscript loading stale fast", 0, 0, 0, "transactions", "Begins to gather commands.")                  \
    X(exec, 1, "noscript loading stale", 0, 0, 0, "transactions", "Runs the gathered commands together.")              \
    X(discard, 1, "noscript loading stale fast", 0, 0, 0, "transactions", "Forgets the gathered commands.")            \
    X(watch, -2, "noscript loading stale fast", 1, -1, 1, "transactions", "Lets EXEC fail when a key changes.")        \
    X(unwatch, 1, "noscript loading stale fast", 0, 0, 0, "transactions", "Forgets the watched keys.")

#endif /* APPS_KV_COMMANDS_H */
