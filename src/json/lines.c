/* Going through JSON lines.
 * SPDX-License-Identifier: MIT */
#include "json/lines.h"

bool json_lines_next(json_lines *l, str *line)
{
    while (l->at < l->text.n) {
        size_t end = size_min(str_find(l->text, STR("\n"), l->at), l->text.n);
        *line = (str){l->text.p + l->at, end - l->at};
        l->at = end + 1;
        l->number++;
        while (line->n && strchr(" \t\r", line->p[line->n - 1]) && line->p[line->n - 1]) line->n--;
        if (line->n) return true;
    }
    return false;
}
