/*
 * Tells systemd how the service is (sd_notify(3)), in a line of its own protocol. Does nothing without NOTIFY_SOCKET.
 */
#ifndef CAIRN_SERVER_NOTIFY_H
#define CAIRN_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1" … */
void service_notify(const char *state);

#endif
