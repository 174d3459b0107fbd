"""Bad files about `@use`, with the complete first message of each."""

from tests.unit.pointy.rows import bad

BAD_USES = [
    bad(
        '@use: "shared/clean.pty"\nclean',
        "1:7: error: expected a name for the used file",
        '  1 | @use: "shared/clean.pty"',
        "    |       ^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: shared/clean.pty\nclean",
        "1:7: error: 'shared/clean.pty' is not a valid name for a used file",
        "  1 | @use: shared/clean.pty",
        "    |       ^^^^^^^^^^^^^^^^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: shared/clean.pty as clean\nclean",
        "1:7: error: 'shared/clean.pty' is not a valid name for a used file",
        "  1 | @use: shared/clean.pty as clean",
        "    |       ^^^^^^^^^^^^^^^^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: clean\nclean",
        "1:12: error: expected '=' and a path in double quotes after 'clean'",
        "  1 | @use: clean",
        "    |            ^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: clean =\nclean",
        "1:14: error: expected a path in double quotes after 'clean ='",
        "  1 | @use: clean =",
        "    |              ^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: clean = shared/clean.pty\nclean",
        "1:15: error: expected a path in double quotes after 'clean ='",
        "  1 | @use: clean = shared/clean.pty",
        "    |               ^^^^^^^^^^^^^^^^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@use: clean = 'shared/clean.pty'\nclean",
        "1:15: error: a string is written in plain double quotes",
        "  1 | @use: clean = 'shared/clean.pty'",
        "    |               ^^^^^^^^^^^^^^^^^^",
        '  hint: write "shared/clean.pty"',
    ),
    bad(
        '@use: clean "shared/clean.pty"\nclean',
        "1:12: error: expected '=' and a path in double quotes after 'clean'",
        '  1 | @use: clean "shared/clean.pty"',
        "    |            ^^^^^^^^^^^^^^^^^^^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean: "shared/clean.pty"\nclean',
        "1:12: error: expected '=' and a path in double quotes after 'clean'",
        '  1 | @use: clean: "shared/clean.pty"',
        "    |            ^^^^^^^^^^^^^^^^^^^^",
        '  hint: write @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean == "clean.pty"\nclean',
        "1:14: error: expected a path in double quotes after 'clean ='",
        '  1 | @use: clean == "clean.pty"',
        "    |              ^^^^^^^^^^^^^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: = "clean.pty"\nclean',
        "1:7: error: expected a name for the used file",
        '  1 | @use: = "clean.pty"',
        "    |       ^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean = "clean.pty" "more"\nclean',
        "1:26: error: nothing may follow the string",
        '  1 | @use: clean = "clean.pty" "more"',
        "    |                          ^^^^^^^",
        "  hint: a comment begins with #",
    ),
    bad(
        '@use: clean = "clean.pty\nclean',
        "1:15: error: this string is not closed",
        '  1 | @use: clean = "clean.pty',
        "    |               ^^^^^^^^^^",
        '  hint: close it with "',
    ),
    bad(
        '@use: clean-up = "clean.pty"\nclean',
        "1:7: error: 'clean-up' is not a valid name for a used file",
        '  1 | @use: clean-up = "clean.pty"',
        "    |       ^^^^^^^^",
        '  hint: write @use: clean_up = "clean.pty"',
    ),
    bad(
        '@use: clean.up = "clean.pty"\nclean',
        "1:7: error: 'clean.up' is not a valid name for a used file",
        '  1 | @use: clean.up = "clean.pty"',
        "    |       ^^^^^^^^",
        "  hint: a name consists of A-Z, a-z, digits and underscores, does not begin with a digit, "
        "and is not a Python keyword",
    ),
    bad(
        '@use: 3 = "clean.pty"\nclean',
        "1:7: error: '3' is not a valid name for a used file",
        '  1 | @use: 3 = "clean.pty"',
        "    |       ^",
        "  hint: a name consists of A-Z, a-z, digits and underscores, does not begin with a digit, "
        "and is not a Python keyword",
    ),
    bad(
        '@use: class = "clean.pty"\nclean',
        "1:7: error: 'class' is not a valid name for a used file",
        '  1 | @use: class = "clean.pty"',
        "    |       ^^^^^",
        "  hint: a name consists of A-Z, a-z, digits and underscores, does not begin with a digit, "
        "and is not a Python keyword",
    ),
    bad(
        '@use: self = "clean.pty"\nclean',
        "1:7: error: 'self' is reserved: choose another name for the used file",
        '  1 | @use: self = "clean.pty"',
        "    |       ^^^^",
    ),
    bad(
        '@use: clean__2 = "clean.pty"\nclean',
        (
            "1:7: error: the name 'clean__2' ends in two underscores and digits, which mark the "
            "second and later uses of a file"
        ),
        '  1 | @use: clean__2 = "clean.pty"',
        "    |       ^^^^^^^^",
        "  hint: write 'clean' again for another use of it, or choose another name",
    ),
    bad(
        '@use clean = "clean.pty"\nclean',
        "1:5: error: expected ':' after '@use'",
        '  1 | @use clean = "clean.pty"',
        "    |     ^",
        '  hint: write @use: clean = "clean.pty"',
    ),
    bad(
        "@use:\nA",
        "1:1: error: '@use' has no value",
        "  1 | @use:",
        "    | ^^^^",
        '  hint: it takes name = "path"',
    ),
    bad(
        '@use: clean = "a.pty"\n@use: clean = "b.pty"\nclean',
        "2:7: error: the name 'clean' already stands for a used file",
        '  2 | @use: clean = "b.pty"',
        "    |       ^^^^^",
        "  hint: a name is declared only once: rename one",
    ),
    bad(
        '@uses: clean = "clean.pty"\nclean',
        "1:1: error: there is no directive '@uses'",
        '  1 | @uses: clean = "clean.pty"',
        "    | ^^^^^",
        "  hint: did you mean '@use'?",
    ),
    bad(
        'A\n@use: clean = "clean.pty"',
        "2:1: error: the directive '@use' comes after the start of the flow",
        '  2 | @use: clean = "clean.pty"',
        "    | ^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: directives come first, each on a line of its own",
    ),
]

BAD_PATHS = [
    bad(
        '@use: clean = ""\nclean',
        "1:15: error: the path is empty",
        '  1 | @use: clean = ""',
        "    |               ^^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean = "  "\nclean',
        "1:15: error: the path is empty",
        '  1 | @use: clean = "  "',
        "    |               ^^^^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean = "/srv/clean.pty"\nclean',
        "1:15: error: the path is absolute",
        '  1 | @use: clean = "/srv/clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^",
        "  hint: a path is relative to the folder of this file: shared/clean.pty, ../clean.pty",
    ),
    bad(
        '@use: clean = "C:/flows/clean.pty"\nclean',
        "1:15: error: the path is absolute",
        '  1 | @use: clean = "C:/flows/clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^",
        "  hint: a path is relative to the folder of this file: shared/clean.pty, ../clean.pty",
    ),
    bad(
        '@use: clean = "shared\\\\clean.pty"\nclean',
        "1:15: error: a path is written with '/', also on Windows",
        '  1 | @use: clean = "shared\\\\clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^",
        '  hint: write "shared/clean.pty"',
    ),
    bad(
        '@use: clean = "C:\\\\flows\\\\clean.pty"\nclean',
        "1:15: error: the path is absolute",
        '  1 | @use: clean = "C:\\\\flows\\\\clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: a path is relative to the folder of this file: shared/clean.pty, ../clean.pty",
    ),
    bad(
        '@use: clean = " clean.pty"\nclean',
        "1:15: error: the path begins or ends with a space",
        '  1 | @use: clean = " clean.pty"',
        "    |               ^^^^^^^^^^^^",
        '  hint: write "clean.pty"',
    ),
    bad(
        '@use: clean = "clean.pty/"\nclean',
        "1:15: error: the path ends with '/', so it is not the path of a file",
        '  1 | @use: clean = "clean.pty/"',
        "    |               ^^^^^^^^^^^^",
        '  hint: write "clean.pty"',
    ),
    bad(
        '@use: clean = "package:shop/flows/"\nclean',
        "1:15: error: the path ends with '/', so it is not the path of a file",
        '  1 | @use: clean = "package:shop/flows/"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^",
        '  hint: a used file is written @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@use: clean = "~/clean.pty"\nclean',
        "1:15: error: '~' has no meaning in a path",
        '  1 | @use: clean = "~/clean.pty"',
        "    |               ^^^^^^^^^^^^^",
        "  hint: a path is relative to the folder of this file: shared/clean.pty, ../clean.pty",
    ),
    bad(
        '@use: clean = "https://example.org/clean.pty"\nclean',
        "1:15: error: a URL is not a path: used files are read from the disk",
        '  1 | @use: clean = "https://example.org/clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: copy the file into the project, or install a package with it",
    ),
    bad(
        '@use: clean = "file:clean.pty"\nclean',
        "1:15: error: 'file:' has no meaning in a path",
        '  1 | @use: clean = "file:clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:clean.pty"\nclean',
        "1:15: error: expected a dotted package and a path in it after 'package:'",
        '  1 | @use: clean = "package:clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:shop.flows"\nclean',
        "1:15: error: expected a dotted package and a path in it after 'package:'",
        '  1 | @use: clean = "package:shop.flows"',
        "    |               ^^^^^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:/clean.pty"\nclean',
        "1:15: error: expected a dotted package and a path in it after 'package:'",
        '  1 | @use: clean = "package:/clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:shop-flows/clean.pty"\nclean',
        "1:15: error: expected a dotted package and a path in it after 'package:'",
        '  1 | @use: clean = "package:shop-flows/clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:shop/../clean.pty"\nclean',
        "1:15: error: a path in a package cannot contain '..'",
        '  1 | @use: clean = "package:shop/../clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        '  hint: a file of an installed package is written "package:shop.flows/clean.pty"',
    ),
    bad(
        '@use: clean = "package:shop//clean.pty"\nclean',
        "1:15: error: expected a path in the package 'shop', found '/'",
        '  1 | @use: clean = "package:shop//clean.pty"',
        "    |               ^^^^^^^^^^^^^^^^^^^^^^^^^",
        '  hint: write "package:shop/clean.pty"',
    ),
    bad(
        '@use: clean = "clean\\u0000.pty"\nclean',
        "1:15: error: a path cannot contain control characters",
        '  1 | @use: clean = "clean\\u0000.pty"',
        "    |               ^^^^^^^^^^^^^^^^^",
    ),
    bad(
        '@use: clean = "clean\\u000a.pty"\nclean',
        "1:15: error: a path cannot contain control characters",
        '  1 | @use: clean = "clean\\u000a.pty"',
        "    |               ^^^^^^^^^^^^^^^^^",
    ),
    bad(
        '@use: clean = "clean\\q.pty"\nclean',
        "1:21: error: '\\q' is not a valid escape",
        '  1 | @use: clean = "clean\\q.pty"',
        "    |                     ^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        '@use: clean = "clean\\ud800.pty"\nclean',
        "1:15: error: this string has one half of a \\uXXXX\\uXXXX pair without the other",
        '  1 | @use: clean = "clean\\ud800.pty"',
        "    |               ^^^^^^^^^^^^^^^^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
]

BAD_PLACES = [
    bad(
        '@use: clean = "clean.pty"\nclean[timeout=30]',
        "2:7: error: the option 'timeout' belongs to an event, not to a used file",
        "  2 | clean[timeout=30]",
        "    |       ^^^^^^^^^^",
        "  hint: write it after each event in that file that needs it",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[executor=thread]',
        "2:7: error: the option 'executor' belongs to an event, not to a used file",
        "  2 | clean[executor=thread]",
        "    |       ^^^^^^^^^^^^^^^",
        "  hint: write it after each event in that file that needs it",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[pool=small, queue="q", priority=1, tags="a"]',
        "2:7: error: the option 'pool' belongs to an event, not to a used file",
        '  2 | clean[pool=small, queue="q", priority=1, tags="a"]',
        "    |       ^^^^^^^^^^",
        "  hint: write it after each event in that file that needs it",
        errors=4,
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[each=x, concurrency=2]',
        "2:15: error: the option 'concurrency' belongs to an event, not to a used file",
        "  2 | clean[each=x, concurrency=2]",
        "    |               ^^^^^^^^^^^^^",
        "  hint: to limit how many items are processed at once, write at_once=2",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[day=3]',
        "2:7: error: there is no option 'day'",
        "  2 | clean[day=3]",
        "    |       ^^^^^",
        (
            "  hint: for an argument write clean(day=…); options: retry_attempts, evaluation, "
            "each, in, at_once, batch, task, again"
        ),
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[agian=3]',
        "2:7: error: there is no option 'agian'",
        "  2 | clean[agian=3]",
        "    |       ^^^^^^^",
        "  hint: did you mean 'again'?",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[retries=3]',
        "2:7: error: there is no option 'retries'",
        "  2 | clean[retries=3]",
        "    |       ^^^^^^^^^",
        (
            "  hint: {A -> B} * 3 gives each event 3 attempts, {A -> B}[again=3] repeats the "
            "whole group"
        ),
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[at_once=3]',
        "2:7: error: the option 'at_once' needs the option 'each' on the same unit",
        "  2 | clean[at_once=3]",
        "    |       ^^^^^^^^^",
        "  hint: write [each=item, at_once=3]",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean * 2 [retry_attempts=2]',
        "2:12: error: this unit already has a retry factor",
        "  2 | clean * 2 [retry_attempts=2]",
        "    |            ^^^^^^^^^^^^^^^^",
        "  hint: retry_attempts=3 is the same as * 3: remove one of them",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[evaluation=any]',
        (
            "2:18: error: the option 'evaluation' takes one of SUCCESS_ON_ALL_EVENTS_SUCCESS, "
            "FAILURE_FOR_PARTIAL_ERROR, SUCCESS_FOR_PARTIAL_SUCCESS, FAILURE_FOR_ALL_EVENTS_FAILURE"
        ),
        "  2 | clean[evaluation=any]",
        "    |                  ^^^",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean (3 -> A)',
        "2:8: error: a used file finishes with 0 or 1 only: it cannot have a branch for 3",
        "  2 | clean (3 -> A)",
        "    |        ^",
        "  hint: put the branch on the event inside the used file that ends with it",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[each=x] (3 -> A)',
        "2:16: error: a used file finishes with 0 or 1 only: it cannot have a branch for 3",
        "  2 | clean[each=x] (3 -> A)",
        "    |                ^",
        "  hint: put the branch on the event inside the used file that ends with it",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean (2 -> A)',
        "2:8: error: a used file finishes with 0 or 1 only: it cannot have a branch for 2",
        "  2 | clean (2 -> A)",
        "    |        ^",
        "  hint: put the branch on the event inside the used file that ends with it",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean (0 -> A, 0 -> B)',
        "2:16: error: descriptor 0 already has a branch",
        "  2 | clean (0 -> A, 0 -> B)",
        "    |                ^",
        ("  hint: for several events in one branch write a flow: (0 -> X -> Y) or (0 -> {X || Y})"),
    ),
    bad(
        '@use: clean = "clean.pty"\nclean * 2 (day=3)',
        "2:11: error: arguments come directly after the name 'clean'",
        "  2 | clean * 2 (day=3)",
        "    |           ^^^^^^^",
        "  hint: write clean(day=…), then the factor, the options and the branches",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean(a=1)(b=2)',
        "2:11: error: this used file already has arguments",
        "  2 | clean(a=1)(b=2)",
        "    |           ^^^^^",
        "  hint: put all arguments into one pair of parentheses",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean(a=1, a=2)',
        "2:12: error: the argument 'a' is already given here",
        "  2 | clean(a=1, a=2)",
        "    |            ^",
        "  hint: remove one of the two",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean(self=1)',
        "2:7: error: 'self' cannot be given as an argument",
        "  2 | clean(self=1)",
        "    |       ^^^^",
        "  hint: it is the event itself: choose another name for the parameter",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean(a.b=1)',
        "2:7: error: 'a.b' cannot be the name of an argument: it is a name with a dot",
        "  2 | clean(a.b=1)",
        "    |       ^^^",
        "  hint: an argument has the name of an input of the used file",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean("2026-01-01")',
        (
            "2:7: error: expected the name of an argument, or a descriptor, after '(', found the "
            'string "2026-01-01"'
        ),
        '  2 | clean("2026-01-01")',
        "    |       ^^^^^^^^^^^^",
        '  hint: an argument is written with its name: (name="2026-01-01")',
    ),
    bad(
        '@use: clean = "clean.pty"\nclean.Parse',
        "2:1: error: the name 'clean.Parse' begins like the places of the used file 'clean'",
        "  2 | clean.Parse",
        "    | ^^^^^^^^^^^",
        "  hint: give the used file another name than 'clean' in its @use",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean -> clean__2.Parse',
        "2:10: error: the name 'clean__2.Parse' begins like the places of the used file 'clean'",
        "  2 | clean -> clean__2.Parse",
        "    |          ^^^^^^^^^^^^^^",
        "  hint: give the used file another name than 'clean' in its @use",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean -> clean__2',
        (
            "2:10: error: the name 'clean__2' ends in two underscores and digits, which mark the "
            "second and later places of an event"
        ),
        "  2 | clean -> clean__2",
        "    |          ^^^^^^^^",
        "  hint: write 'clean' again for another place of it, or rename the event",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean -> {A}[task=clean]',
        "2:19: error: the task 'clean' has the name of a place in this file",
        "  2 | clean -> {A}[task=clean]",
        "    |                   ^^^^^",
        "  hint: give the task another name",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean -> clean -> {A}[task=clean__2]',
        "2:28: error: the task 'clean__2' has the name of a place in this file",
        "  2 | clean -> clean -> {A}[task=clean__2]",
        "    |                            ^^^^^^^^",
        "  hint: give the task another name",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[task=a] -> {A}[task=a]',
        "2:27: error: the task 'a' is already in this file",
        "  2 | clean[task=a] -> {A}[task=a]",
        "    |                           ^",
        "  hint: give one of the two another name",
    ),
    bad(
        '@use: clean = "clean.pty"\n{clean * 2}[evaluation=FAILURE_FOR_PARTIAL_ERROR]',
        "2:13: error: the option 'evaluation' needs braces that contain exactly 'a || b …'",
        "  2 | {clean * 2}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        "    |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: put the parallel part into its own braces: {A || B}[evaluation=…]",
    ),
    bad(
        '@use: clean = "clean.pty"\n{clean -> A}[evaluation=FAILURE_FOR_PARTIAL_ERROR]',
        "2:14: error: the option 'evaluation' needs braces that contain exactly 'a || b …'",
        "  2 | {clean -> A}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        "    |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: put the parallel part into its own braces: {A || B}[evaluation=…]",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[again=100001]',
        "2:7: error: with 'again', this file has more than 100000 places",
        "  2 | clean[again=100001]",
        "    |       ^^^^^^^^^^^^",
        "  hint: each round has all places of its group: write a lower number",
    ),
    bad(
        '@use: clean = "clean.pty"\nclean clean',
        "2:7: error: expected '->', '|->' or '||' after 'clean', found 'clean'",
        "  2 | clean clean",
        "    |       ^^^^^",
        (
            "  hint: write clean -> clean to run one after the other, clean || clean to run both "
            "at once"
        ),
    ),
    bad(
        '@use: clean = "clean.pty"\nclean[again=1]',
        "2:13: error: the option 'again' takes a whole number of at least 2",
        "  2 | clean[again=1]",
        "    |             ^",
    ),
    bad(
        '@input: x: list\n@use: clean = "clean.pty"\nclean[each=x]',
        "3:12: error: 'x' is already an input",
        "  3 | clean[each=x]",
        "    |            ^",
        "  hint: a name is declared only once: rename one",
    ),
]

BAD_IMPORTS = [
    bad(
        "@import: clean\nA",
        "1:1: error: there is no directive '@import'",
        "  1 | @import: clean",
        "    | ^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        '@include: "shared/clean.pty"\nA',
        "1:1: error: there is no directive '@include'",
        '  1 | @include: "shared/clean.pty"',
        "    | ^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        "@subflow: clean\nA",
        "1:1: error: there is no directive '@subflow'",
        "  1 | @subflow: clean",
        "    | ^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        "import shop\n-> A",
        "1:8: error: expected '->', '|->' or '||' after 'import', found 'shop'",
        "  1 | import shop",
        "    |        ^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        "import shop.flows.clean\n-> A",
        "1:8: error: expected '->', '|->' or '||' after 'import', found 'shop.flows.clean'",
        "  1 | import shop.flows.clean",
        "    |        ^^^^^^^^^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        'include "shared/clean.pty"\n-> A',
        (
            "1:9: error: expected '->', '|->' or '||' after 'include', found the string "
            '"shared/clean.pty"'
        ),
        '  1 | include "shared/clean.pty"',
        "    |         ^^^^^^^^^^^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        'include: "shared/clean.pty"\n-> A',
        "1:8: error: ':' is not a Pointy operator",
        '  1 | include: "shared/clean.pty"',
        "    |        ^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        "from shop import clean\n-> A",
        "1:6: error: expected '->', '|->' or '||' after 'from', found 'shop'",
        "  1 | from shop import clean",
        "    |      ^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
        errors=3,
    ),
    bad(
        'use: "clean.pty"\n-> A',
        "1:4: error: ':' is not a Pointy operator",
        '  1 | use: "clean.pty"',
        "    |    ^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        'A -> "shared/clean.pty" -> B',
        (
            "1:6: error: expected an event or a group after '->', found the string "
            '"shared/clean.pty"'
        ),
        '  1 | A -> "shared/clean.pty" -> B',
        "    |      ^^^^^^^^^^^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        'A "clean.pty"',
        "1:3: error: expected '->', '|->' or '||' after 'A', found the string \"clean.pty\"",
        '  1 | A "clean.pty"',
        "    |   ^^^^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        "A -> shared/clean.pty",
        "1:12: error: '/' is not a Pointy operator",
        "  1 | A -> shared/clean.pty",
        "    |            ^",
        '  hint: a used file gets a name before the flow: @use: clean = "shared/clean.pty"',
    ),
    bad(
        'use("clean.pty") -> A',
        (
            "1:5: error: expected the name of an argument, or a descriptor, after '(', found the "
            'string "clean.pty"'
        ),
        '  1 | use("clean.pty") -> A',
        "    |     ^^^^^^^^^^^",
        '  hint: to use another file, write before the flow: @use: clean = "shared/clean.pty"',
    ),
]
