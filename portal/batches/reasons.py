"""Why a photo of a batch needs attention, in words for staff. Codes are stored; the words may change."""

from __future__ import annotations

from enum import StrEnum

from portal.photos.reasons import WORDS as PHOTO_WORDS
from portal.photos.reasons import Reason


class ItemReason(StrEnum):
    """What is wrong with a photo of a batch before a worker has seen it; then see photos.reasons."""

    NOT_ARRIVED = "not_arrived"
    TOO_LARGE = "too_large"
    NO_FOLDER = "no_folder"
    NO_EXTERNAL_ID = "no_external_id"
    BAD_EXTERNAL_ID = "bad_external_id"
    NO_NAME = "no_name"
    BAD_NAME = "bad_name"
    TWO_NAMES = "two_names"
    DAMAGED_CELL = "damaged_cell"
    DOUBTFUL_ID = "doubtful_id"
    NO_PHOTO = "no_photo"
    PHOTO_NOT_FOUND = "photo_not_found"
    PHOTO_OF_ANOTHER = "photo_of_another"
    NOT_IN_MANIFEST = "not_in_manifest"
    PATH_TWICE = "path_twice"
    TWO_FILES = "two_files"
    TWO_ROWS = "two_rows"
    OTHER_NAME = "other_name"
    TOO_MANY_PHOTOS = "too_many_photos"
    UNSAFE_PATH = "unsafe_path"
    SYMLINK = "symlink"
    ENCRYPTED = "encrypted"
    NESTED_ARCHIVE = "nested_archive"
    EXPANDS_TOO_MUCH = "expands_too_much"
    UNKNOWN_COMPRESSION = "unknown_compression"
    DAMAGED_ENTRY = "damaged_entry"
    LEFT_AS_IT_IS = "left_as_it_is"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    SEVERAL_FACES = "several_faces"
    NUMBER_OF_A_CLASS = "number_of_a_class"
    SAME_NAME_ELSEWHERE = "same_name_elsewhere"
    NUMBERED_COPY = "numbered_copy"
    NUMBER_TAKEN = "number_taken"
    NOT_IN_PATTERN = "not_in_pattern"


# Held up for what the names say: what is wrong is not put right by trying again.
HELD_BY_NAME = (ItemReason.NUMBER_OF_A_CLASS, ItemReason.SAME_NAME_ELSEWHERE, ItemReason.NUMBERED_COPY)


# What happened, and what to do next.
WORDS: dict[ItemReason, tuple[str, str]] = {
    ItemReason.NOT_ARRIVED: (
        "The photo never arrived.",
        "Drop the same files on this batch again: what has arrived is not sent again.",
    ),
    ItemReason.TOO_LARGE: ("The file is larger than 25 MiB.", "Save a smaller copy and replace it."),
    ItemReason.NO_FOLDER: (
        "The photo is not in a person's folder.",
        "Move it into the folder of its person and drop it again.",
    ),
    ItemReason.NO_EXTERNAL_ID: (
        "There is no external ID.",
        "Fill it in, and drop the corrected file again.",
    ),
    ItemReason.BAD_EXTERNAL_ID: (
        "The external ID can't be used.",
        "Correct it, and drop the file again.",
    ),
    ItemReason.NO_NAME: ("There is no name.", "Fill it in, and drop the corrected file again."),
    ItemReason.BAD_NAME: ("The name can't be used.", "Correct it, and drop the file again."),
    ItemReason.TWO_NAMES: (
        "One external ID has two different names in this file.",
        "Correct the name or the external ID, and drop the file again.",
    ),
    ItemReason.DAMAGED_CELL: (
        "A cell of this row is damaged.",
        "Correct it in the list, and drop the list again with the photos.",
    ),
    ItemReason.DOUBTFUL_ID: (
        "The external ID may not be what was meant.",
        "Compare it with the original, correct the list, and drop it again with the photos.",
    ),
    ItemReason.NO_PHOTO: ("No photo is given for this person.", "Name one in the file, and drop it again."),
    ItemReason.PHOTO_NOT_FOUND: (
        "The photo that the manifest names was not among the files.",
        "Check its name in the manifest, or drop the missing photo on this batch.",
    ),
    ItemReason.PHOTO_OF_ANOTHER: (
        "Another row of the manifest names this photo for someone else.",
        "A photo can be of one person only: correct the wrong row.",
    ),
    ItemReason.NOT_IN_MANIFEST: (
        "The manifest does not name this photo.",
        "Add a row for it to the manifest, and drop both again.",
    ),
    ItemReason.PATH_TWICE: (
        "Another file of the same name is in the batch.",
        "Give it a name of its own and drop it again.",
    ),
    ItemReason.TWO_FILES: (
        "Two files match the name in the manifest.",
        "Name the folder too in the manifest, and drop it again with both files.",
    ),
    ItemReason.TWO_ROWS: (
        "Several rows of the list may mean this photo.",
        "Drop the photo in the folder that the list names, or give it a name of its own in both.",
    ),
    ItemReason.OTHER_NAME: (
        "Someone with another name is enrolled here with this external ID.",
        "Correct the external ID, or the name if they are the same person, and drop the file again.",
    ),
    ItemReason.TOO_MANY_PHOTOS: (
        "This person already has 20 photos.",
        "Remove one of them, then retry this one.",
    ),
    ItemReason.UNSAFE_PATH: (
        "The name of the file in the ZIP points outside the ZIP.",
        "Make the ZIP again from the original folder.",
    ),
    ItemReason.SYMLINK: (
        "The ZIP holds a link instead of the file.",
        "Make the ZIP again, with the files themselves.",
    ),
    ItemReason.ENCRYPTED: (
        "The file in the ZIP is protected by a password.",
        "Make the ZIP again without a password.",
    ),
    ItemReason.NESTED_ARCHIVE: (
        "This is an archive inside the ZIP.",
        "Unpack it, and drop what is in it.",
    ),
    ItemReason.EXPANDS_TOO_MUCH: (
        "The file is far larger unpacked than any photo would be.",
        "Drop the photo itself.",
    ),
    ItemReason.UNKNOWN_COMPRESSION: (
        "The file is compressed in a way that can't be read here.",
        "Make the ZIP again with the usual compression (Deflate).",
    ),
    ItemReason.DAMAGED_ENTRY: (
        "The file in the ZIP is damaged.",
        "Make the ZIP again from the original folder.",
    ),
    ItemReason.LEFT_AS_IT_IS: (
        "The person was already enrolled and was left unchanged.",
        "To add it all the same, choose to add photos to enrolled people.",
    ),
    ItemReason.CANCELLED: (
        "The batch was cancelled before this photo's turn.",
        "Retry it if it should be enrolled after all.",
    ),
    ItemReason.REMOVED: (
        "The photo or its person was removed before it was processed.",
        "If that was intended, do nothing; otherwise retry it.",
    ),
    ItemReason.SEVERAL_FACES: (
        "There are several faces of similar size.",
        "Check that the right one was chosen.",
    ),
    ItemReason.NUMBER_OF_A_CLASS: (
        "The number begins again in every class, so it is no external ID.",
        "Drop the folders again and choose “Its folder and file name together”, or add a list.",
    ),
    ItemReason.SAME_NAME_ELSEWHERE: (
        "The same name is in several folders, maybe of different people.",
        "If they are one person, put the photos into one folder and drop them again. If not, drop the "
        "folders again and choose “Its folder and file name together”, or add a list.",
    ),
    ItemReason.NUMBERED_COPY: (
        "Another file has this name without the number at its end.",
        "If it is the same person, write the number in brackets, as in “1001 (2).jpg”; if not, give the "
        "file a name of its own. Then drop it again.",
    ),
    ItemReason.NUMBER_TAKEN: (
        "Someone is enrolled with this number already, and numbers begin again in other folders.",
        "If it is the same person, add the photo on the person's page. If not, drop the folder again and "
        "choose “Its folder and file name together”, or add a list.",
    ),
    ItemReason.NOT_IN_PATTERN: (
        "There is no external ID with a name in the way that was chosen.",
        "Rename the file or folder, and drop it again.",
    ),
}


def words_of(code: str) -> tuple[str, str]:
    """Why a photo needs attention: what happened, and what to do next."""
    if code in {reason.value for reason in Reason}:
        return PHOTO_WORDS[Reason(code)]
    return WORDS[ItemReason(code)]
