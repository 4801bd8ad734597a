/* chat_int: writing prompts.
 * SPDX-License-Identifier: MIT */
#ifndef CHAT_INT_H
#define CHAT_INT_H

#include "text/text.h"

/* Text of the template itself: its control tokens count. */
void chat_mark(chat_prompt *p, str s);
/* Text of a message: it never does. */
void chat_text(chat_prompt *p, str s);

static inline bool chat_is(const chat_message *m, const char *role)
{
    return str_eq(m->role, str_of(role));
}

/* What stands behind the last "</think>", or all of it. */
str chat_without_thinking(str content);

ponder_status chat_render_deepseek(chat_prompt *p, chat_template c, const chat_request *r, str bos,
                                   ponder_error *err);

#endif
