/* SPDX-License-Identifier: MIT */
/* The socket that the control socket's clients connect to, as control_socket.h says. */
#include "master/control_socket.h"

#include "base/log.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

struct control_socket control_socket_none(void)
{
	return (struct control_socket){ .listener.fd = -1 };
}

static struct listener_options options_of(const struct conf_control *conf)
{
	return (struct listener_options){ .backlog = CONTROL_BACKLOG,
					  .mode = conf->mode,
					  .owner = conf->owner,
					  .group = conf->group };
}

int control_socket_adopt(struct control_socket *socket, int fd, const struct conf_control *conf,
			 char **error_r)
{
	if (listener_adopt(&socket->listener, fd, error_r) < 0)
		return -1;
	socket->listener.adopted = false;
	socket->options = options_of(conf);
	return 0;
}

static bool is_same_path(const struct control_socket *running, const char *path)
{
	return running->listener.fd >= 0 &&
	       strcmp(running->listener.address.u.un.sun_path, path) == 0;
}

/* As /run/musterd, which is gone after a boot. Whatever is wrong with it, bind(2) tells. */
static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char *slash;

	strlcpy(folder, path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	/* Whatever the umask is: a group that may use the socket must get there. */
	if (mkdir(folder, 0755) == 0 && chmod(folder, 0755) == 0)
		log_info("control: made the folder %s", folder);
}

int control_socket_open(struct control_socket *new, const struct control_socket *running,
			const struct conf_control *conf, char **error_r)
{
	struct address address;
	char *text = NULL;
	int result;

	*error_r = NULL;
	*new = control_socket_none();
	if (!conf->path)
		return 0;
	new->options = options_of(conf);
	/* A file that somebody has removed is made again. */
	if (is_same_path(running, conf->path) && listener_has_file(&running->listener)) {
		new->kept = true;
		return 0;
	}
	if (asprintf(&text, "unix:%s", conf->path) < 0)
		return -1;
	result = address_parse(&address, text);
	free(text);
	if (result < 0) {
		*error_r = strdup("it is no path of a socket");
		return -1;
	}
	make_folder(conf->path);
	return listener_bind(&new->listener, &address, &new->options, error_r);
}

int control_socket_listen(struct control_socket *new, struct control_socket *running,
			  char **error_r)
{
	*error_r = NULL;
	if (new->kept) {
		/* Some of it may have been done when it fails. */
		new->renewed = true;
		return listener_listen(&running->listener, &new->options, error_r);
	}
	return new->listener.fd < 0 ? 0 : listener_listen(&new->listener, &new->options, error_r);
}

void control_socket_discard(struct control_socket *new, struct control_socket *running)
{
	char *error = NULL;

	if (new->renewed && listener_listen(&running->listener, &running->options, &error) < 0)
		log_warning("control: %s", error ? error : strerror(ENOMEM));
	free(error);
	if (new->listener.fd >= 0)
		listener_close(&new->listener);
	*new = control_socket_none();
}
