/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "value.h"

#define DEFAULT_LIMIT (16 << 20)
#define MAX_LIMIT INT32_MAX

JSValue file_read_descriptor(JSContext *ctx, int fd, size_t limit, const char *subject)
{
	struct stat status;
	size_t capacity = 4096, length = 0;
	uint8_t *data;

	if (fstat(fd, &status) < 0)
		return throw_errno(ctx, errno, "fstat", subject);
	/* What the kernel says of a file in /proc or /sys is 0, or a page. */
	if (status.st_size > 0 && (uint64_t)status.st_size < limit)
		capacity = (size_t)status.st_size + 1;
	data = js_malloc(ctx, capacity);
	if (!data)
		return JS_EXCEPTION;
	for (;;) {
		ssize_t count;

		if (length == capacity) {
			uint8_t *larger = js_realloc(ctx, data, capacity * 2);

			if (!larger) {
				js_free(ctx, data);
				return JS_EXCEPTION;
			}
			data = larger;
			capacity *= 2;
		}
		count = read(fd, data + length, capacity - length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count > 0)
			length += (size_t)count;
		if (count < 0 || length > limit) {
			int error = count < 0 ? errno : EFBIG;

			js_free(ctx, data);
			return throw_errno(ctx, error, "read", subject);
		}
		if (count == 0)
			break;
	}
	if (length > 0 && length < capacity) {
		uint8_t *fitting = js_realloc(ctx, data, length);

		data = fitting ? fitting : data;
	}
	return value_new_bytes(ctx, data, length);
}

static JSValue read_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t limit = DEFAULT_LIMIT;
	const char *path;
	JSValue result;
	int fd;

	(void)this_val, (void)argc;
	if (!JS_IsUndefined(argv[1]) && !value_integer(ctx, argv[1], "limit", 0, MAX_LIMIT, &limit))
		return JS_EXCEPTION;
	path = value_path(ctx, argv[0], "path");
	if (!path)
		return JS_EXCEPTION;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		result = throw_errno(ctx, errno, "open", path);
	} else {
		result = file_read_descriptor(ctx, fd, (size_t)limit, path);
		close(fd);
	}
	JS_FreeCString(ctx, path);
	return result;
}

static JSValue remove_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	JSValue result = JS_UNDEFINED;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	if (unlink(path) < 0)
		result = throw_errno(ctx, errno, "unlink", path);
	JS_FreeCString(ctx, path);
	return result;
}

static JSValue make_directory(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t mode = 0755;
	const char *path;
	JSValue result = JS_UNDEFINED;

	(void)this_val, (void)argc;
	if (!JS_IsUndefined(argv[1]) && !value_integer(ctx, argv[1], "mode", 0, 07777, &mode))
		return JS_EXCEPTION;
	path = value_path(ctx, argv[0], "path");
	if (!path)
		return JS_EXCEPTION;
	if (mkdir(path, (mode_t)mode) < 0)
		result = throw_errno(ctx, errno, "mkdir", path);
	JS_FreeCString(ctx, path);
	return result;
}

static int visible(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static JSValue read_directory(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	struct dirent **entries;
	JSValue names;
	int count;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	count = scandir(path, &entries, visible, by_name);
	if (count < 0) {
		names = throw_errno(ctx, errno, "opendir", path);
		JS_FreeCString(ctx, path);
		return names;
	}
	JS_FreeCString(ctx, path);
	names = JS_NewArray(ctx);
	for (int i = 0; i < count; i++) {
		JSValue name = JS_IsException(names) ? JS_EXCEPTION : JS_NewString(ctx, entries[i]->d_name);

		free(entries[i]);
		if (JS_IsException(name) ||
		    JS_DefinePropertyValueUint32(ctx, names, (uint32_t)i, name, JS_PROP_C_W_E) < 0) {
			JS_FreeValue(ctx, names);
			names = JS_EXCEPTION;
		}
	}
	free(entries);
	return names;
}

static JSValue read_link(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	char target[PATH_MAX];
	ssize_t length;
	JSValue result;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	length = readlink(path, target, sizeof(target));
	result = length < 0 ? throw_errno(ctx, errno, "readlink", path) : JS_NewStringLen(ctx, target, (size_t)length);
	JS_FreeCString(ctx, path);
	return result;
}

static const char *type_name(mode_t mode)
{
	if (S_ISDIR(mode))
		return "directory";
	if (S_ISLNK(mode))
		return "symlink";
	if (S_ISSOCK(mode))
		return "socket";
	if (S_ISFIFO(mode))
		return "fifo";
	return S_ISREG(mode) ? "file" : "device";
}

static JSValue file_status(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *path = value_path(ctx, argv[0], "path");
	struct stat status;
	JSValue result;
	double modified;

	(void)this_val, (void)argc;
	if (!path)
		return JS_EXCEPTION;
	if (lstat(path, &status) < 0) {
		result = errno == ENOENT || errno == ENOTDIR ? JS_NULL : throw_errno(ctx, errno, "lstat", path);
		JS_FreeCString(ctx, path);
		return result;
	}
	JS_FreeCString(ctx, path);
	modified = (double)status.st_mtim.tv_sec * 1000 + (double)(status.st_mtim.tv_nsec / 1000) / 1000;
	result = JS_NewObject(ctx);
	if (JS_IsException(result))
		return JS_EXCEPTION;
	if (!value_define(ctx, result, "type", JS_NewString(ctx, type_name(status.st_mode))) ||
	    !value_define(ctx, result, "size", JS_NewInt64(ctx, status.st_size)) ||
	    !value_define(ctx, result, "mode", JS_NewInt32(ctx, status.st_mode & 07777)) ||
	    !value_define(ctx, result, "modified", JS_NewFloat64(ctx, modified))) {
		JS_FreeValue(ctx, result);
		return JS_EXCEPTION;
	}
	return result;
}

static const JSCFunctionListEntry file_functions[] = {
	JS_CFUNC_DEF("readFile", 2, read_file),
	JS_CFUNC_DEF("removeFile", 1, remove_file),
	JS_CFUNC_DEF("makeDirectory", 2, make_directory),
	JS_CFUNC_DEF("readDirectory", 1, read_directory),
	JS_CFUNC_DEF("readLink", 1, read_link),
	JS_CFUNC_DEF("fileStatus", 1, file_status),
};

int file_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, file_functions, COUNT(file_functions));
}

int file_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, file_functions, COUNT(file_functions));
}
