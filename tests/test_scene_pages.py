"""Writing on a scene: which font has the text, how lines break, what a page remembers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smvl import font_files
from smvl.scenes import fonts as fonts_module
from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Face, Fonts, load_font, machine_fonts, pip_fonts
from smvl.scenes.glyphs import write_text
from smvl.scenes.page import Page
from smvl.scenes.wrapping import NOT_FIRST, NOT_LAST, wrap_text

LEASE = (
    "甲方（以下简称“出租方”）将位于云栖路128号A座3-201室的房屋出租给乙方，租金为每月￥3,500.00元，押金50%。"
    "联系电话：138-0000-1234；请按时缴纳！《补充协议》（共2页）一并有效。"
)


def make_page(fonts: Fonts | None = None, size: tuple[int, int] = (400, 300)) -> Page:
    return Page(Contents("page", "train", fonts or pip_fonts()), size)


def face_with(characters: str, style: str = "sans", family: str = "Small") -> Face:
    """A face that says it has only these characters."""
    return dataclasses.replace(pip_fonts().faces[0], family=family, style=style, characters=frozenset(map(ord, characters)))


# ---- fonts -----------------------------------------------------------------------------------------------------------------------


def test_the_font_that_pip_brings_has_both_scripts_formulas_and_full_width_punctuation():
    for face in pip_fonts().faces:
        assert face.covers("汉字漢字龘壹贰叁，。：；！？（）《》“”…—￥¥%℃×÷±≤≥√πΩμ²³①") and face.family == "Noto Sans CJK SC"
    assert {face.style for face in pip_fonts().faces} == {"sans", "heavy"}


def test_a_weight_changes_how_a_character_looks():
    light, heavy = (load_font(pip_fonts().of(style)[-1], 40).getmask("永") for style in ("sans", "heavy"))
    assert sum(heavy) > 1.2 * sum(light)


def test_a_style_that_no_font_has_is_written_in_sans():
    assert pip_fonts().of("brush") == pip_fonts().of("sans") and pip_fonts().of("serif") == pip_fonts().of("sans")


def test_the_machine_has_at_least_the_pip_font_and_all_of_its_fonts_have_the_common_characters():
    faces = machine_fonts().faces
    assert faces[: len(pip_fonts().faces)] == pip_fonts().faces
    assert all(face.covers("的一是不了人我在有他这为之大来以个中上们，。（）《》0123456789") for face in faces)
    assert machine_fonts() is machine_fonts()


def test_the_manifest_name_of_a_face_holds_no_folder():
    assert {face.name for face in pip_fonts().faces} == {
        f"Noto Sans CJK SC {w} (NotoSansCJK-VF.otf.ttc)" for w in (300, 400, 500, 700, 900)
    }


@pytest.mark.parametrize(
    "names, style",
    [
        ("simhei 黑体", "sans"),
        ("microsoft yahei bold", "heavy"),
        ("simsun", "serif"),
        ("songti sc", "serif"),
        ("noto serif cjk sc bold", "serif"),
        ("kaiti", "brush"),
        ("lxgw wenkai", "brush"),
        ("stxingkai 华文行楷", "brush"),
        ("lisu 隶书", "brush"),
        ("some unheard-of family", "sans"),
    ],
)
def test_styles_are_told_by_the_names_of_families(names: str, style: str):
    assert fonts_module._style_of(names) == style


def test_without_fontconfig_the_usual_folders_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pip_file = pip_fonts().faces[0].file
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "chinese.ttc").symlink_to(pip_file)
    (tmp_path / "small.ttf").write_bytes(b"too small to hold Chinese")
    (tmp_path / "broken.otf").write_bytes(b"not a font" * 200_000)
    monkeypatch.setattr(font_files.shutil, "which", lambda name: None)
    monkeypatch.setattr(font_files, "_FOLDERS", {font_files.sys.platform: (str(tmp_path),)})
    assert [file.name for file in font_files.machine_font_files()] == ["broken.otf", "chinese.ttc"]
    faces = [fonts_module._read_face(file) for file in font_files.machine_font_files()]
    assert faces[0] is None and faces[1].family == "Noto Sans CJK SC" and faces[1].axes == (400.0,)


def test_a_text_is_written_in_a_face_that_has_all_of_it():
    few = face_with("一二三")
    page = make_page(Fonts((few, *pip_fonts().faces[1:2])))
    page._faces["sans"] = few
    assert page.face("sans", "一三").family == "Small"
    assert page.face("sans", "一四").family == "Noto Sans CJK SC"
    page.write((0, 0), "一四", "sans", 20)
    assert page.texts == ["一四"] and page.face("sans") is few


def test_a_page_can_take_a_face_that_has_a_whole_work():
    few = face_with("静夜思", "brush")
    for number in range(5):
        page = Page(Contents(str(number), "train", Fonts((few, *pip_fonts().faces))), (50, 50))
        page.choose_face("brush", "静夜思")
        assert page.face("brush") is few
        page.choose_face("brush", "静夜思李白")
        assert page.face("brush").family == "Noto Sans CJK SC"


def test_a_character_that_no_font_has_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"no font has all characters of '一四': \['四'\]"):
        make_page(Fonts((face_with("一二三"),))).write((0, 0), "一四", "sans", 20)


# ---- lines -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(60, 420, 12))
def test_lines_break_as_chinese_typesetting_does(width: int):
    face = pip_fonts().faces[0]
    lines, font = wrap_text(LEASE, face, 20, width), load_font(face, 20)
    assert "".join(lines) == LEASE
    assert all(font.getlength(line) <= width + 1 for line in lines)
    assert not any(line[0] in NOT_FIRST for line in lines) and not any(line[-1] in NOT_LAST for line in lines)


def test_words_and_numbers_stay_in_one_piece_where_a_line_has_room_for_them():
    lines = wrap_text(LEASE, pip_fonts().faces[0], 20, 200)
    for word in ("128", "3-201", "￥3,500.00", "50%。", "138-0000-1234；"):
        assert any(word in line for line in lines), word


def test_a_word_wider_than_a_line_is_cut():
    face = pip_fonts().faces[0]
    lines, font = wrap_text("0123456789012345678901234567890", face, 20, 100), load_font(face, 20)
    assert "".join(lines) == "0123456789012345678901234567890" and all(font.getlength(line) <= 100 for line in lines)


@pytest.mark.parametrize("anchor", ["la", "lm", "ls", "md", "mm", "ma", "rm", "ra", "rd", "ms"])
def test_characters_stand_where_pillow_writes_them(anchor: str):
    """To the pixel that rounding each character's place takes."""
    face, position, text = pip_fonts().faces[1], (200, 60), "合同金额￥3,500元，叁仟"
    ours, pillows = Image.new("RGB", (400, 120), "white"), Image.new("RGB", (400, 120), "white")
    box = write_text(ours, position, text, face, 16, (0, 0, 0), anchor)
    pen = ImageDraw.Draw(pillows)
    pen.text(position, text, font=load_font(face, 16), fill=(0, 0, 0), anchor=anchor)
    assert np.abs(np.asarray(ours, dtype=int) - np.asarray(pillows)).mean() < 1.5
    assert box == pytest.approx(pen.textbbox(position, text, font=load_font(face, 16), anchor=anchor), abs=1)


def test_nothing_is_no_line():
    assert wrap_text("", pip_fonts().faces[0], 20, 100) == []


# ---- the page --------------------------------------------------------------------------------------------------------------------


def ink_box(page: Page) -> tuple[int, int, int, int]:
    return Image.eval(page.image.convert("L"), lambda value: 255 if value < 128 else 0).getbbox()


def test_a_page_remembers_each_text_with_its_box():
    page = make_page()
    page.write((20, 30), "价格", "sans", 24)
    page.write_paragraph((20, 80), LEASE, "sans", 14, 300)
    page.write_lines((20, 200), ["甲", "乙"], "sans", 16)
    assert page.texts == ["价格", LEASE, "甲", "乙"] and len(page.boxes) == 4
    left, top, right, bottom = page.boxes[1]
    assert 300 - 16 <= right - left <= 302 and bottom - top > 4 * 14


@pytest.mark.parametrize("write", ["write", "write_column", "write_from_right"])
def test_a_box_holds_all_the_ink(write: str):
    page = make_page()
    getattr(page, write)((200, 60), "春眠不觉晓", "sans", 30)
    left, top, right, bottom = ink_box(page)
    box = page.boxes[0]
    assert box[0] <= left + 1 and box[1] <= top + 1 and box[2] >= right - 1 and box[3] >= bottom - 1


def test_a_column_goes_down_and_a_plaque_goes_left():
    down, left = make_page(), make_page()
    down.write_column((100, 20), "一国", "sans", 40)
    left.write_from_right((200, 100), "一国", "sans", 40)
    alone = [make_page() for _ in range(2)]
    alone[0].write_column((100, 20), "一", "sans", 40)
    alone[1].write_from_right((200, 100), "一", "sans", 40)
    assert ink_box(down)[:1] <= ink_box(alone[0])[:1] and ink_box(down)[3] > ink_box(alone[0])[3] + 30
    assert ink_box(left)[2] == pytest.approx(ink_box(alone[1])[2], abs=2) and ink_box(left)[0] < ink_box(alone[1])[0] - 30
    assert down.texts == left.texts == ["一国"]


def test_a_background_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"the background is RGB of \(10, 10\); expected RGB of \(20, 20\)"):
        Page(Contents("a", "train", pip_fonts()), (20, 20), Image.new("RGB", (10, 10)))


def test_a_text_is_made_to_fit_and_is_then_no_wider():
    page = make_page()
    size = page.fit("价格优惠活动进行中", "sans", 60, 200)
    assert size < 60 and page.measure("价格优惠活动进行中", "sans", size)[0] <= 208
    assert page.fit("价", "sans", 60, 200) == 60
