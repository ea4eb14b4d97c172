/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "text.h"
#include "value.h"

/* Longest line of standard input that is kept; the rest of a longer one is read and dropped. */
#define LINE_LIMIT 4096

int output_write(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written >= 0) {
			text += written;
			length -= (size_t)written;
		} else if (errno == EAGAIN) {
			/* Somebody who shares the terminal or pipe with us has made it non-blocking. */
			struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

			if (poll(&pollfd, 1, -1) < 0 && errno != EINTR)
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

static JSValue write_output(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t fd;
	size_t length;
	const char *text;
	int result;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "fd", STDOUT_FILENO, STDERR_FILENO, &fd))
		return JS_EXCEPTION;
	text = value_text(ctx, argv[1], "text", &length);
	if (!text)
		return JS_EXCEPTION;
	result = output_write((int)fd, text, length);
	JS_FreeCString(ctx, text);
	return result < 0 ? throw_errno(ctx, errno, "write", NULL) : JS_UNDEFINED;
}

static JSValue read_input(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	(void)this_val, (void)argc, (void)argv;
	return file_read_descriptor(ctx, STDIN_FILENO, SIZE_MAX / 2, "standard input");
}

/* Byte by byte: what stands behind the line is left to who reads next, be it another program. */
static JSValue read_line(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	uint8_t line[LINE_LIMIT];
	size_t length = 0;
	bool is_empty = true;

	(void)this_val, (void)argc, (void)argv;
	for (;;) {
		uint8_t byte;
		ssize_t count = read(STDIN_FILENO, &byte, 1);

		if (count < 0 && errno == EAGAIN) {
			struct pollfd pollfd = { .fd = STDIN_FILENO, .events = POLLIN };

			if (poll(&pollfd, 1, -1) < 0 && errno != EINTR)
				return throw_errno(ctx, errno, "poll", NULL);
		} else if (count < 0 && errno != EINTR) {
			return throw_errno(ctx, errno, "read", NULL);
		}
		if (count < 0)
			continue;
		if (count == 0 && is_empty)
			return JS_NULL;
		if (count == 0 || byte == '\n')
			return text_decode(ctx, line, length);
		is_empty = false;
		if (length < LINE_LIMIT)
			line[length++] = byte;
	}
}

static JSValue is_terminal(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t fd;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "fd", STDIN_FILENO, STDERR_FILENO, &fd))
		return JS_EXCEPTION;
	return JS_NewBool(ctx, isatty((int)fd) == 1);
}

static JSValue terminal_width(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct winsize size;
	int64_t fd;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "fd", STDOUT_FILENO, STDERR_FILENO, &fd))
		return JS_EXCEPTION;
	if (ioctl((int)fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return JS_NULL;
	return JS_NewInt32(ctx, size.ws_col);
}

static const JSCFunctionListEntry output_functions[] = {
	JS_CFUNC_DEF("writeOutput", 2, write_output),
	JS_CFUNC_DEF("readInput", 0, read_input),
	JS_CFUNC_DEF("readLine", 0, read_line),
	JS_CFUNC_DEF("isTerminal", 1, is_terminal),
	JS_CFUNC_DEF("terminalWidth", 1, terminal_width),
};

int output_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, output_functions, COUNT(output_functions));
}

int output_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, output_functions, COUNT(output_functions));
}
