#include "server/http/http_priv.h"

bool roster_add(struct http_server *server, struct http_connection *c)
{
    pthread_mutex_lock(&server->lock);
    bool open = !atomic_load(&server->stopping);
    if (open) {
        c->next = server->connections;
        if (c->next)
            c->next->prev = c;
        server->connections = c;
        server->connection_count++;
    }
    pthread_mutex_unlock(&server->lock);
    return open;
}

static bool any_paused(const struct http_server *server)
{
    for (size_t i = 0; i < server->options.listener_count; i++)
        if (atomic_load(&server->listeners[i].paused))
            return true;
    return false;
}

void roster_remove(struct http_server *server, struct http_connection *c)
{
    pthread_mutex_lock(&server->lock);
    *(c->prev ? &c->prev->next : &server->connections) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (--server->connection_count == 0 || any_paused(server))
        pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

bool roster_full(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool full = server->connection_count >= server->options.connections_max;
    pthread_mutex_unlock(&server->lock);
    return full;
}
