// Answers requests with a SavedModel as TF Serving does: TensorFlow's C++ loader, XLA switched off.
//
//     loader MODEL REQUESTS ANSWERS [OP_LIBRARY …]
//
// REQUESTS is a TFRecord file of NameAttrList messages, one a request: `name` is the signature and
// `attr` its named tensors, and the integer "repeats". ANSWERS gets one a request in the same form,
// with "microseconds" beside the outputs: how long each of so many further runs of it took.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/c/c_api.h"
#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/compiler/jit/flags.h"
#include "tensorflow/core/framework/attr_value.pb.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/lib/io/record_writer.h"
#include "tensorflow/core/platform/env.h"

namespace tf = tensorflow;

using Tensors = std::vector<tf::Tensor>;

struct Question {
  std::vector<std::pair<std::string, tf::Tensor>> feeds;
  std::vector<std::string> names, fetches;
};

void Check(const std::string& what, const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << what << ": " << status.message() << std::endl;
  std::exit(1);
}

void LoadOps(const char* path) {
  TF_Status* status = TF_NewStatus();
  TF_LoadLibrary(path, status);
  const bool loaded = TF_GetCode(status) == TF_OK;
  if (!loaded) std::cerr << path << ": " << TF_Message(status) << std::endl;
  TF_DeleteStatus(status);
  if (!loaded) std::exit(1);
}

// The graph's own names of what a request feeds and what its signature returns.
Question Translate(const tf::NameAttrList& request, const tf::MetaGraphDef& graph) {
  const auto found = graph.signature_def().find(request.name());
  if (found == graph.signature_def().end())
    Check(request.name(), absl::NotFoundError("no such signature"));
  Question question;
  for (const auto& [name, value] : request.attr()) {
    if (!value.has_tensor()) continue;
    tf::Tensor tensor;
    if (!tensor.FromProto(value.tensor())) Check(name, absl::InvalidArgumentError("no tensor"));
    question.feeds.emplace_back(found->second.inputs().at(name).name(), tensor);
  }
  for (const auto& [name, info] : found->second.outputs()) {
    question.names.push_back(name);
    question.fetches.push_back(info.name());
  }
  return question;
}

Tensors Run(tf::Session* session, const std::string& name, const Question& question) {
  Tensors outputs;
  Check(name, session->Run(question.feeds, question.fetches, {}, &outputs));
  return outputs;
}

tf::Tensor Time(tf::Session* session, const std::string& name, const Question& question, int repeats) {
  tf::Tensor microseconds(tf::DT_FLOAT, tf::TensorShape({repeats}));
  for (int n = 0; n < repeats; ++n) {
    const auto start = std::chrono::steady_clock::now();
    Run(session, name, question);
    const std::chrono::duration<float, std::micro> taken = std::chrono::steady_clock::now() - start;
    microseconds.flat<float>()(n) = taken.count();
  }
  return microseconds;
}

tf::NameAttrList Answer(tf::Session* session, const tf::NameAttrList& request,
                        const tf::MetaGraphDef& graph) {
  const Question question = Translate(request, graph);
  const Tensors outputs = Run(session, request.name(), question);
  tf::NameAttrList answer;
  answer.set_name(request.name());
  for (size_t n = 0; n < outputs.size(); ++n)
    outputs[n].AsProtoField((*answer.mutable_attr())[question.names[n]].mutable_tensor());
  Time(session, request.name(), question, request.attr().at("repeats").i())
      .AsProtoField((*answer.mutable_attr())["microseconds"].mutable_tensor());
  return answer;
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::cerr << "expected MODEL REQUESTS ANSWERS [OP_LIBRARY …]" << std::endl;
    return 2;
  }
  tf::DisableXlaCompilation();
  for (int n = 4; n < count; ++n) LoadOps(arguments[n]);
  tf::SavedModelBundle model;
  Check("loading", tf::LoadSavedModel({}, {}, arguments[1], {"serve"}, &model));

  std::unique_ptr<tf::RandomAccessFile> requests;
  std::unique_ptr<tf::WritableFile> answers;
  Check("requests", tf::Env::Default()->NewRandomAccessFile(arguments[2], &requests));
  Check("answers", tf::Env::Default()->NewWritableFile(arguments[3], &answers));
  tf::io::RecordReader reader(requests.get());
  tf::io::RecordWriter writer(answers.get());
  tf::tstring record;
  for (uint64_t offset = 0; reader.ReadRecord(&offset, &record).ok();) {
    tf::NameAttrList request;
    if (!request.ParseFromArray(record.data(), record.size()))
      Check("requests", absl::InvalidArgumentError("expected a NameAttrList"));
    const auto answer = Answer(model.session.get(), request, model.meta_graph_def);
    Check("answers", writer.WriteRecord(answer.SerializeAsString()));
  }
  Check("answers", writer.Close());
  Check("answers", answers->Close());
}
