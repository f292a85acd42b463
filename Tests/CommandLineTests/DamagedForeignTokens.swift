import ForeignFiles
import Foundation
import StreamFormat
import Testing
import TestSupport

extension ForeignTokensTests {
  private func npy(_ type: ElementType, _ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
    NumPyHeader(type, shape).bytes + bytes
  }

  @Test func whatIsDamagedIsRefusedWithItsPlace() throws {
    try succeed("export-tokens", [files.tokens, "--codes", "c.npy", "--labels", "l.npy"], in: folder.url)
    let whole = try bytes(folder.path("c.npy"))
    _ = try exportClasses(["a", "b", "c"])
    _ = try ToolProcess.shell(
      """
      tar cf codes.tar -C classes . ; head -c 3000 codes.tar > cut.tar; tar cf empty.tar -T /dev/null
      mkdir -p none one/codes one/labels; cp llamagen/labels/0.npy one/codes/7.npy
      head -c $(($(stat -c %s codes.tar) - 10240)) codes.tar > boundary.tar
      cp codes.tar twice.tar; tar rf twice.tar -C classes .
      mkdir -p pipe/a huge/a; mkfifo pipe/a/0.npy; truncate -s 9G huge/a/0.npy
      gzip -k codes.tar; (printf 'PK\\005\\006'; head -c 18 /dev/zero) > empty.zip
      echo prose > prose; mkdir -p garbage/a void/a soft/a hard/a numbers/0 numbers/99999999 same/7 same/07 truth/a
      head -c 300 /dev/zero | tr '\\0' x > garbage/a/0.npy; : > void/a/0.npy; tar cf garbage.tar garbage
      for f in soft/a hard/a numbers/0 numbers/99999999 same/7 same/07; do cp classes/a/0.npy $f; done
      ln -s 0.npy soft/a/1.npy; tar cf soft.tar soft/a/0.npy soft/a/1.npy
      ln hard/a/0.npy hard/a/1.npy; tar cf hard.tar hard/a/0.npy hard/a/1.npy
      mkdir -p maybe/a; sed 's/False/Maybe/' classes/a/0.npy > maybe/a/0.npy
      mkdir -p changing/a t/a v/a hidden/.git/b spell/caf$'\\303\\251' spell/cafe$'\\314\\201' link/a emptied/b
      for f in t/a/0.npy v/a/0.npy hidden/.git/b/0.npy link/a/0.npy; do cp classes/a/0.npy $f; done
      for f in spell/caf*; do cp classes/a/0.npy $f/${#f}.npy; done
      cp -r classes/a hidden/a; cp -r classes/a emptied/a; cp -r classes/c emptied/c; ln -s a link/b
      tar cf places.tar t v; tar cf hidden.tar -C hidden .; tar cf spellings.tar -C spell .
      tar cf link.tar -C link a b; tar cf emptied.tar -C emptied .
      python3 - <<'END'
      from zipfile import ZipFile
      for archive, names in (('accents.zip', ('caf\\u00e9', 't\\u00e9', 'tea')), ('other.zip', ('tea',))):
          with ZipFile(archive, 'w') as file:
              for name in names:
                  file.write('classes/a/0.npy', name + '/0.npy')
      END
      cat other.zip accents.zip > both.zip
      mkdir -p latin/$'caf\\351' beside/a; cp classes/a/0.npy latin/*/; cp classes/a/0.npy beside/a
      cp classes/a/0.npy beside/1.npy; tar cf beside.tar -C beside 1.npy a
      mkdir -p gone/a deeper/a/b mac/a mac/__MACOSX; for f in gone/a deeper/a deeper/a/b mac/a; do cp classes/a/0.npy $f; done
      ln -s nowhere gone/b
      tar cf dots.tar -C beside a/0.npy; tar rf dots.tar -C beside ./a/0.npy
      tar cf same.tar same; (cd soft; tar cPf ../up.tar ../classes)
      """, in: folder.url, timeout: 30)
    _ = try write(npy(.uint8, [4, 16], [UInt8](repeating: 1, count: 64)), "changing/a/0.npy", in: folder)
    _ = try write(npy(.uint8, [16, 4], [UInt8](repeating: 1, count: 64)), "changing/a/1.npy", in: folder)
    _ = try write(Array(whole.dropLast()), "cut.npy", in: folder)
    _ = try write(whole + [0], "long.npy", in: folder)
    _ = try write(npy(.float32, [1, 64], [UInt8](repeating: 0, count: 256)), "float.npy", in: folder)
    _ = try write(npy(.uint8, [1, 64], [UInt8](repeating: 32, count: 64)), "large.npy", in: folder)
    _ = try write(npy(.int8, [1, 64], [UInt8](repeating: 255, count: 64)), "negative.npy", in: folder)
    _ = try write(npy(.int64, [1], [3, 0, 0, 0, 0, 0, 0, 0]), "three.npy", in: folder)
    _ = try write(npy(.bool, [1, 64], [UInt8](repeating: 1, count: 64)), "truth.npy", in: folder)
    _ = try write(npy(.bool, [64], [UInt8](repeating: 1, count: 64)), "truth/a/0.npy", in: folder)
    _ = try write(npy(.uint8, [1, 60], [UInt8](repeating: 1, count: 60)), "sixty.npy", in: folder)
    _ = try write(Array("{\"class_id\": 0, \"tokens\": [1, 2.5]}\n".utf8), "bad.jsonl", in: folder)
    _ = try write(
      Array("{\"class_id\": 0, \"tokens\": [1,2,3,4]}\n{\"class_id\": 0, \"tokens\": [1]}\n".utf8),
      "short.jsonl", in: folder)
    _ = try write(
      Array("{\"class_id\": 9223372036854775807, \"tokens\": [1,2,3,4]}\n".utf8), "label.jsonl", in: folder)
    // Zeros of 64 KB are a hole in the file.
    let zeros = npy(.uint16, [65_536], [UInt8](repeating: 0, count: 131_072))
    try FileManager.default.createDirectory(atPath: folder.path("holes/0"), withIntermediateDirectories: true)
    _ = try write(zeros, "holes/0/whole.npy", in: folder)
    _ = try ToolProcess.shell(
      "cd holes/0 && cp --sparse=always whole.npy 0.npy && rm whole.npy && cd .. && tar -Scf ../sparse.tar 0",
      in: folder.url, timeout: 30)
    _ = try write([], "nothing", in: folder)
    _ = try write(Array("{\"class_id\": 0, \"tokens\": [1,2,3,4]}\n".utf8), "four.jsonl", in: folder)
    _ = try write(npy(.uint8, [1, 1, 8, 8], [UInt8](repeating: 1, count: 64)), "square.npy", in: folder)
    _ = try write(npy(.uint64, [1, 64], [UInt8](repeating: 255, count: 512)), "wide.npy", in: folder)
    _ = try write(Array("{\"class_id\": 0, \"tokens\": [1,2,3,4,]}\n".utf8), "comma.jsonl", in: folder)
    _ = try write(
      Array("{\"class_id\": 0, \"class_id\": 1, \"tokens\": [1,2,3,4]}\n".utf8), "key.jsonl", in: folder)
    _ = try write(
      Array("{\"class_id\": 0, \"label\": 1, \"tokens\": [1,2,3,4]}\n".utf8), "labels.jsonl", in: folder)
    _ = try write(
      Array("{\"class_id\": 0, \"codes\": [1,2,3,5], \"tokens\": [1,2,3,4]}\n".utf8), "codes.jsonl",
      in: folder)
    _ = try write(npy(.uint8, [1, 16, 16], [UInt8](repeating: 1, count: 256)), "rows.npy", in: folder)
    _ = try write(npy(.uint8, [1, 64, 1], [UInt8](repeating: 1, count: 64)), "trailing.npy", in: folder)
    _ = try write(npy(.uint8, [1, 1 << 32, 0], []), "hollow.npy", in: folder)
    let one = ["--labels", "three.npy", "--classes", "4"]
    let cases: [([String], Int32, String)] = [
      (
        ["cut.npy", "--labels", "l.npy"], 65,
        "cut.npy: malformed; expected 7680 bytes of elements; found 7679"
      ),
      (["long.npy", "--labels", "l.npy"], 65, "found 7681"),
      (["float.npy"] + one, 65, "expected an array of integers"),
      (
        ["rows.npy"] + one, 65,
        "rows.npy: image 0: expected codes of an image as [tokens] or [views, tokens]; found [16, 16], which may be"
      ),
      (["rows.npy", "--grid", "4x4"] + one, 0, "1 images"),
      (["large.npy"] + one, 65, "large.npy: image 0: expected codes from 0 to 31; found 32"),
      (["negative.npy"] + one, 65, "found -1"),
      (["sixty.npy"] + one, 65, "expected square grids of tokens; found 60"),
      (["sixty.npy", "--grid", "7x8"] + one, 65, "expected 1, 2 or 10 views of 7x8 tokens; found 60"),
      (
        ["c.npy", "--labels", "three.npy"], 65, "expected as many images as three.npy has labels, 1; found 60"
      ),
      (
        ["c.npy", "--labels", "l.npy", "--classes", "2"], 65,
        "expected a label from 0 to 1; found 2; try: --classes 3"
      ),
      (
        ["c.npy", "--labels", "l.npy", "--views", "flip"], 65,
        "c.npy: image 0: expected 2 in the dimension of the views, for --views flip; found 1"
      ),
      (
        ["changing", "--grid", "4x4"], 65,
        "changing/a/1.npy: expected 4 views, as the first image has; found 16"
      ),
      (["accents.zip"], 0, "3 images"), (["hidden.tar"], 0, "20 images"), (["emptied.tar"], 0, "40 images"),
      (["spellings.tar"], 65, "expected one spelling of each class; found two of 'caf"),
      (["spell"], 65, "expected one spelling of each class; found two of 'caf"),
      (["gone"], 66, "gone/b: no such file"), (["mac"], 0, "1 images"),
      (["deeper"], 65, "deeper/a: malformed; expected .npy files in this folder alone; found others in 'b'"),
      (
        ["trailing.npy"] + one, 65,
        "expected codes of an image as [tokens] or [views, tokens]; found [64, 1], which"
      ),
      (
        ["hollow.npy"] + one, 65,
        "expected codes of an image as [tokens] or [views, tokens]; found [4294967296, 0]"
      ),
      (["latin"], 65, "latin: unsupported; expected names in UTF-8; found 'caf"),
      (
        ["beside.tar"], 65,
        "beside.tar: 1.npy: unsupported; expected codes in a folder of their class, CLASS/INDEX.npy; found a file"
      ),
      (["dots.tar"], 65, "dots.tar: malformed; expected each member once; found './a/0.npy' twice"),
      (["both.zip"], 65, "both.zip: malformed; expected one zip archive; found"),
      (["link.tar"], 65, "link.tar: b: unsupported; expected a file; found a symbolic link"),
      (
        ["places.tar"], 65,
        "expected the folders of all classes in one folder; found classes in 't' and in 'v'"
      ),
      (
        ["c.npy", "--labels", "l.npy", "--grid", "4x4"], 65, "expected 1 view of 4x4 tokens; found 64 tokens"
      ),
      (["four.jsonl", "--grid", "2x1", "--classes", "1"], 0, "1 images"),
      (
        ["four.jsonl", "--grid", "1x1", "--classes", "1"], 65,
        "expected 1, 2 or 10 views of 1x1 tokens; found 4"
      ),
      (["c.npy"], 64, "expected --labels, the array of labels"), (["none"], 65, "expected .npy files"),
      (["llamagen/labels"], 64, "expected --labels, the folder of labels"),
      (["one/codes", "--labels", "one/labels", "--classes", "3"], 65, "one/labels/7.npy"),
      (["boundary.tar"], 65, "boundary.tar: byte"), (["twice.tar"], 65, "expected each member once"),
      (["pipe"], 65, "pipe/a/0.npy: malformed; expected a file of at most"),
      (["huge"], 65, "huge/a/0.npy: malformed; expected a file of at most"),
      (["square.npy"] + one, 65, "expected an array of integers in C order, [images, views, tokens]"),
      (["wide.npy"] + one, 65, "wide.npy: image 0: value out of range"),
      (["comma.jsonl", "--classes", "3"], 65, "comma.jsonl: line 1: malformed"),
      (["key.jsonl", "--classes", "3"], 65, "key.jsonl: line 1: malformed"),
      (
        ["labels.jsonl", "--classes", "3"], 65,
        "labels.jsonl: line 1: malformed; expected the same in 'class_id' and 'label'"
      ),
      (
        ["codes.jsonl", "--classes", "3"], 65,
        "codes.jsonl: line 1: malformed; expected the same in 'tokens' and 'codes'"
      ),
      (["nothing", "--labels", "three.npy"], 65, "found an empty file"),
      (["cut.tar"], 65, "cut.tar: byte 3000: truncated"),
      (["empty.tar"], 65, "empty.tar: malformed; expected members CLASS/INDEX.npy; found none"),
      (["empty.zip"], 65, "empty.zip: malformed; expected members CLASS/INDEX.npy; found none"),
      (
        ["codes.tar.gz"], 65,
        "that are not compressed as a whole; found gzip; try: zcat FILE | import-tokens -"
      ),
      ([files.tokens], 65, "lines of JSON; found another file"),
      (["prose"], 65, "expected a tar or zip archive, an .npy array or lines of JSON; found another file"),
      (["garbage"], 65, "garbage/a/0.npy: malformed; expected an .npy array; found other bytes"),
      (["void"], 65, "void/a/0.npy: truncated; expected an .npy array; found 0 bytes"),
      (["garbage.tar"], 65, "garbage.tar: garbage/a/0.npy: malformed; expected an .npy array"),
      (["soft.tar"], 65, "soft.tar: soft/a/1.npy: unsupported; expected a file; found a symbolic link"),
      (
        ["hard.tar"], 65,
        "hard.tar: hard/a/1.npy: unsupported; expected a file; found a link to 'hard/a/0.npy'"
      ),
      (["up.tar"], 65, "expected a path inside the archive; found '..' in it"),
      (["numbers"], 65, "numbers: malformed; expected folders with the numbers of classes, below"),
      (["same.tar"], 65, "same.tar: malformed; expected a folder for each number; found '07' and '7'"),
      (["truth.npy"] + one, 65, "expected an array of integers"),
      (["truth"], 65, "truth/a/0.npy: malformed; expected integers; found BOOL"),
      (
        ["one/labels", "--labels", "llamagen/labels", "--classes", "3"], 65, "expected codes for each file of"
      ),
      (["codes.tar", "--labels", "l.npy"], 64, "try: without --labels"),
      (["codes.tar", "--classes", "7"], 64, "expected 3, the number of class folders"),
      (
        ["bad.jsonl", "--classes", "3"], 65,
        "bad.jsonl: line 1: malformed; expected an object with an integer 'class_id'"
      ),
      (
        ["short.jsonl", "--classes", "3"], 65,
        "short.jsonl: line 2: expected 4 tokens, as the first image has; found 1"
      ),
      (["short.jsonl"], 64, "expected --classes"),
      (["nothing", "--classes", "3"], 65, "found an empty file"),
      (
        ["label.jsonl", "--classes", "3"], 65,
        "expected a label from 0 to 2; found 9223372036854775807; try: smaller"
      ),
      (
        ["sparse.tar", "--classes", "1"], 65,
        "sparse.tar: 0/0.npy: unsupported; expected a file as it is; found a sparse"
      ),
      (
        ["llamagen/labels", "--labels", "l.npy"], 65,
        "l.npy: malformed; expected a folder of .npy files; found a file"
      ),
      (
        ["llamagen/labels", "--labels", "llamagen/labels"], 64,
        "--labels must be another folder or file than that of the codes"
      ),
      (["maybe"], 65, "maybe/a/0.npy: malformed; expected a header with descr, fortran_order and shape"),
      (["missing"], 66, "no such file"), (["c.npy", "--labels", "gone.npy"], 66, "gone.npy"),
      (
        ["c.npy", "--grid", "0x4"], 64,
        "invalid for '--grid <ROWSxCOLUMNS>': expected ROWSxCOLUMNS, each from 1 to 65536, such as 16x16"
      ),
    ]
    for (arguments, status, words) in cases {
      let result = try run("import-tokens", arguments + ["--tokenizer", files.tokenizer, "-o", "out"])
      #expect(
        result.status == status && result.errors.contains(words),
        "\(arguments): \(result.status) \(result.errors)")
      #expect(FileManager.default.fileExists(atPath: folder.path("out")) == (status == 0), "\(arguments)")
      try? FileManager.default.removeItem(atPath: folder.path("out"))
    }
  }
}
