"""`python -m smvl`: one door to every command, which lists them and says what it expected."""

import importlib

import pytest

from smvl.__main__ import COMMANDS, main


def test_alone_it_lists_every_command_with_a_line(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: smvl COMMAND ..."
    assert [line.split()[0] for line in lines[2 : 2 + len(COMMANDS)]] == list(COMMANDS)
    assert all(command.purpose in line for command, line in zip(COMMANDS.values(), lines[2:]))


@pytest.mark.parametrize("word", ["chekc", "", "--version", "smvl.data"])
def test_another_word_is_refused_with_those_that_there_are(word, capsys):
    assert main([word]) == 2
    assert capsys.readouterr().err.endswith(f"smvl: found {word!r}; expected one of {', '.join(COMMANDS)}.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_takes_under_its_own_name(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(COMMANDS[name].module).main(["--help"])
    assert stopped.value.code == 0 and capsys.readouterr().out.startswith(f"usage: smvl {name} ")


def test_a_command_gets_what_stands_after_its_name(monkeypatch, capsys):
    module = importlib.import_module(COMMANDS["check"].module)
    monkeypatch.setattr(module, "main", lambda arguments: len(arguments))
    assert main(["check", "a", "--b"]) == 2


def test_what_the_machine_does_to_a_command_is_said_under_its_name(monkeypatch, capsys):
    module = importlib.import_module(COMMANDS["scenes"].module)

    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "main", interrupted)
    assert main(["scenes"]) == 130 and capsys.readouterr().err == "\nsmvl scenes: stopped. To go on: run the same command again.\n"
