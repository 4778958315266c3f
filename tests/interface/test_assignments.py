"""Which expressions assign to something of the process, in gdb's languages."""

from __future__ import annotations

import pytest

from gdbheap.interface.assignments import find_assignment, holds_text


def assignment(expression, language="c++"):
    return find_assignment(expression, lambda: language, lambda name: name in ("rsp", "pc", "eflags"))


@pytest.mark.parametrize(
    "expression",
    [
        "p", "p->next", "(char *)p + 8", "a == b", "a<=b", "a>=b", "a != b", "a - -1", "-x", "+x", "*p", "&x",
        "a<<2", "'='", '"a=b"',
        "x[i]", "$1", "$", "$rsp", "$rsp == 1", "$mine = p", "$mine=$rsp", "$mine += 2", "$mine++", "--$mine",
        "++$mine", "x, $mine = 2",
        "string::operator=", "&vec::operator +=", "vec::operator++", "operator--", "foo<bar>::value", "'a.c'::p",
        "a <=> b", "a->*b",
    ],
)  # fmt: skip
def test_what_assigns_nothing(expression):
    assert assignment(expression) == ""


@pytest.mark.parametrize(
    ("expression", "operator"),
    [
        ("x=1", "="), ("x = 1", "="), ("x=-1", "="), ("x=&y", "="), ("x += 1", "+="), ("x<<=1", "<<="), ("x>>=1",
        ">>="), ("x^=1", "^="),
        ("x|=1", "|="), ("x%=2", "%="), ("x:=2", ":="), ("p++", "++"), ("p ++", "++"), ("--p", "--"), ("++*$mine",
        "++"), ("p->n--", "--"),
        ("$rsp=0", "="), ("$rsp++", "++"), ("++$rsp", "++"), ("$eflags|=1", "|="), ("$1=5", "="), ("$=5", "="),
        ("$$2=5", "="),
        ("$xmm0.uint128=0", "="), ("x?y:z=1", "="), ("(x)=1", "="), ("x[0]=1", "="), ("f(x=1)", "="),
        ("'a'=='b',x=1", "="),
        ("a==b ? x=1 : 0", "="), ("operator=, x=1", "="), ("$mine=2, x=1", "="), ('"a", x=1', "="), ("x==1==(y=1)",
        "="),
    ],
)  # fmt: skip
def test_what_assigns(expression, operator):
    assert assignment(expression) == operator


@pytest.mark.parametrize(
    ("language", "expression", "operator"),
    [
        ("ada", "a = b", ""), ("ada", "a /= b", ""), ("ada", "a := b", ":="), ("pascal", "a = b", ""), ("fortran",
        "a /= b", ""),
        ("fortran", "a = b", "="), ("rust", "a--1", ""), ("rust", "x[1..=3]", ""), ("rust", "a = 1", "="),
        ("modula-2", "a = b", ""),
    ],
)  # fmt: skip
def test_each_language_has_its_operators(language, expression, operator):
    assert assignment(expression, language) == operator


@pytest.mark.parametrize(("expression", "text"), [('f("a")', True), ('"a', True), ("'a'", False), ("'\"'", False)])
def test_text_is_in_double_quotes(expression, text):
    assert holds_text(expression) is text
