import Foundation
import Testing
import TestSupport

/// `linear-probe`: its table, its two ways to split, and what it refuses.
@Suite struct LinearProbeTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private struct Table: Decodable, Equatable {
    struct Model: Decodable, Equatable {
      let model: String
      let layer, layers: Int
      let mean_top1, mean_balanced_top1: Double
      let positions: [Position]
    }
    struct Position: Decodable, Equatable {
      let position: Int
      let top1, standard_error, balanced_top1, loss, training_top1, training_loss: Double
    }
    struct Part: Decodable, Equatable {
      let tokens: String
      let images: Int
    }
    let models: [Model]
    let classes: Int
    let chance, majority: Double
    let training, test: Part
  }

  private func probe(_ arguments: [String]) throws -> ToolProcess.Result {
    try ToolProcess.run("linear-probe", arguments, in: folder.url, timeout: 60)
  }

  private func table(_ arguments: [String]) throws -> Table {
    let result = try probe(arguments)
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(Table.self, from: Data(result.output))
  }

  @Test func theTableNamesEverything() throws {
    let table = try table([
      files.relabelled, "--model", files.model, "--model", files.model, "--held-out", "0.25", "--positions",
      "4", "--batch-size", "8",
    ])
    #expect(table.classes == 3 && table.chance == 1.0 / 3)
    #expect(table.training.images == 45 && table.test.images == 15 && table.test.tokens == files.relabelled)
    #expect(table.models.count == 2 && table.models[0] == table.models[1], "the same model twice")
    let model = table.models[0]
    #expect(model.model == files.model && model.layer == 1 && model.layers == 1)
    #expect(model.positions.map(\.position) == [15, 31, 47, 63])
    #expect(abs(model.mean_top1 - model.positions.map(\.top1).reduce(0, +) / 4) < 1e-12)
    // Shares of 15 images.
    for share in model.positions.map(\.top1) + [table.majority] {
      #expect((share * 15 - (share * 15).rounded()).magnitude < 1e-9)
    }
    // The classes are the directions of gradients: features tell more than the largest class, 20 of 45.
    #expect(model.positions[3].training_top1 > 0.45)
  }

  @Test func anotherFileCanBeTheTest() throws {
    let table = try table([files.relabelled, "--test", files.relabelled, "--model", files.model])
    #expect(table.training.images == 60 && table.test.images == 60)
    #expect(
      table.models[0].positions.allSatisfy { $0.top1 == $0.training_top1 && $0.loss == $0.training_loss })
  }

  @Test func sameSettingsSameBytes() throws {
    let arguments = [files.relabelled, "--model", files.model, "--held-out", "0.25", "--epochs", "5"]
    let plain = try probe(arguments)
    #expect(try plain.status == 0 && plain.output == probe(arguments).output)
    #expect(
      try probe(arguments + ["--output", "table.json", "--json", "--log", "log"]).text.contains("mean_top1"))
    #expect(try bytes(folder.path("table.json")) == plain.output)
    let lines = try String(contentsOfFile: folder.path("log"), encoding: .utf8).split(separator: "\n")
    #expect(
      lines.count == 9
        && lines.allSatisfy {
          JSONSerialization.isValidJSONObject(
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) ?? 0)
        })
    #expect(try probe(arguments + ["--seed", "1"]).output != plain.output, "the seed orders the batches")
    #expect(try probe(arguments + ["--model-batch-size", "7"]).status == 0)
  }

  @Test(arguments: [
    "no", "- --model -", "no --model no --layer 0", "no --model no --positions 0",
    "no --model no --held-out 0",
    "no --model no --held-out 1", "no --model no --test no --held-out 0.1", "no --model no --epochs 0",
    "no --model no --learning-rate nan", "no --model no --weight-decay=-1", "no --model no --view=-1",
    "no --model no --json", "no --model no --test - --log -",
  ]) func mistakenOptionsAreUsageErrors(line: String) throws {
    let result = try probe(line.split(separator: " ").map(String.init))
    expectRefusal(result, "linear-probe", 64, "Usage: linear-probe")
    #expect(folder.names == [])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let model = ["--model", files.model]
    func refuse(_ arguments: [String], _ status: Int32, _ words: String...) throws {
      let result = try probe(arguments + ["--output", "out"])
      expectRefusal(result, "linear-probe", status)
      for word in words { #expect(result.errors.contains(word), "'\(word)' in: \(result.errors)") }
      #expect(folder.names == [])
    }
    try refuse([files.tokens] + model, 65, "expected codes of codebook", files.model)
    try refuse([files.relabelled] + model + ["--layer", "2"], 65, "at least 2 layers", "found 1 layers")
    try refuse([files.relabelled] + model + ["--positions", "65"], 65, "65 tokens per image")
    try refuse([files.relabelled] + model + ["--view", "1"], 65, "a view 1", "1 views")
    try refuse([files.relabelled] + model + ["--held-out", "0.001"], 65, "images to score; found none of 60")
    try refuse([files.relabelled] + model + ["--test", files.tokens], 65, "codebook")
    try refuse([files.relabelled, "--model", files.tokenizer], 65)
    try refuse([files.relabelled, "--model", "no"], 66, "no")
    try refuse(["no"] + model, 66, "no")
    try refuse([files.relabelled] + model + ["--learning-rate", "1e39"], 1, "expected a finite loss")
  }

  @Test func aTestFileOfOtherClassesIsRefused() throws {
    try writeImages(to: folder.path("images"), classes: 4, perClass: 2)
    try succeed("tokenize", ["--tokenizer", files.tokenizer, "images", "-o", "two"], in: folder.url)
    try succeed("relabel-tokens", ["--mapping", files.mapping, "two", "-o", "test"], in: folder.url)
    let result = try probe([files.relabelled, "--test", "test", "--model", files.model])
    expectRefusal(result, "linear-probe", 65, "expected the 3 classes", "a class 'd'")
  }
}
