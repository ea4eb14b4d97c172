/* Files written in place or replaced in one step, and locks. SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "value.h"

/* Locks live as long as the process. */
struct lock {
	struct lock *next;
	dev_t device;
	ino_t inode;
	int fd;
};

static struct lock *locks;

static int write_all(int fd, const struct bytes *bytes)
{
	size_t done = 0;

	/* At least one call, also for no data: a file in /proc may want to hear of it. */
	do {
		ssize_t written = write(fd, bytes->data + done, bytes->length - done);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0)
			done += (size_t)written;
	} while (done < bytes->length);
	return 0;
}

/* close(2) may be the one that tells of a full disk. */
static int close_checked(int fd, int result)
{
	int error = errno;

	if (close(fd) < 0 && result == 0 && errno != EINTR)
		return -1;
	errno = error;
	return result;
}

static JSValue write_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	JSValue result = JS_UNDEFINED;
	struct bytes bytes;
	int fd;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	if (!value_bytes(ctx, argv[1], "data", true, &bytes)) {
		JS_FreeCString(ctx, path);
		return JS_EXCEPTION;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		result = throw_errno(ctx, errno, "open", path);
	else if (close_checked(fd, write_all(fd, &bytes)) < 0)
		result = throw_errno(ctx, errno, "write", path);
	bytes_release(ctx, &bytes);
	JS_FreeCString(ctx, path);
	return result;
}

/* Returns NULL, or the name of the system call that failed, with errno. */
static const char *fill_and_rename(int fd, const char *temporary, const char *path, const struct bytes *bytes,
				   mode_t mode)
{
	const char *failed = NULL;

	if (fchmod(fd, mode) < 0)
		failed = "fchmod";
	else if (write_all(fd, bytes) < 0)
		failed = "write";
	else if (fsync(fd) < 0)
		failed = "fsync";
	if (close_checked(fd, failed ? -1 : 0) < 0 && !failed)
		failed = "close";
	if (!failed && rename(temporary, path) < 0)
		failed = "rename";
	if (failed) {
		int error = errno;

		unlink(temporary);
		errno = error;
	}
	return failed;
}

static JSValue replace_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t mode = 0644;
	const char *path, *failed;
	char temporary[PATH_MAX];
	struct bytes bytes;
	int fd, error = 0;

	(void)this_val, (void)argc;
	if (!JS_IsUndefined(argv[2]) && !value_integer(ctx, argv[2], "mode", 0, 07777, &mode))
		return JS_EXCEPTION;
	path = value_path(ctx, argv[0], "path");
	if (!path)
		return JS_EXCEPTION;
	if (!value_bytes(ctx, argv[1], "data", true, &bytes)) {
		JS_FreeCString(ctx, path);
		return JS_EXCEPTION;
	}
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary)) {
		failed = "open";
		error = ENAMETOOLONG;
	} else if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0) {
		failed = "open";
		error = errno;
	} else {
		failed = fill_and_rename(fd, temporary, path, &bytes, (mode_t)mode);
		error = errno;
	}
	if (failed)
		throw_errno(ctx, error, failed, path);
	bytes_release(ctx, &bytes);
	JS_FreeCString(ctx, path);
	return failed ? JS_EXCEPTION : JS_UNDEFINED;
}

/* flock(2) would refuse us a second lock through another descriptor. */
static bool held_already(const struct stat *status)
{
	for (struct lock *lock = locks; lock; lock = lock->next) {
		if (lock->device == status->st_dev && lock->inode == status->st_ino)
			return true;
	}
	return false;
}

/* Returns 1 = locked, 0 = another process holds it, -1 = failed with errno. Takes `fd` over where it is locked anew. */
static int lock_descriptor(int fd, bool *kept)
{
	struct stat status;
	struct lock *lock;

	if (fstat(fd, &status) < 0)
		return -1;
	if (held_already(&status))
		return 1;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return -1;
	}
	lock = malloc(sizeof(*lock));
	if (!lock)
		return -1;
	*lock = (struct lock){ .next = locks, .device = status.st_dev, .inode = status.st_ino, .fd = fd };
	locks = lock;
	*kept = true;
	return 1;
}

static JSValue lock_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	JSValue result;
	bool kept = false;
	int fd, locked = -1;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		locked = lock_descriptor(fd, &kept);
	result = locked < 0 ? throw_errno(ctx, errno, fd < 0 ? "open" : "flock", path) : JS_NewBool(ctx, locked == 1);
	if (fd >= 0 && !kept)
		close(fd);
	JS_FreeCString(ctx, path);
	return result;
}

static const JSCFunctionListEntry file_write_functions[] = {
	JS_CFUNC_DEF("writeFile", 2, write_file),
	JS_CFUNC_DEF("replaceFile", 3, replace_file),
	JS_CFUNC_DEF("lockFile", 1, lock_file),
};

int file_write_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, file_write_functions, COUNT(file_write_functions));
}

int file_write_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, file_write_functions, COUNT(file_write_functions));
}
