// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/head_rules.hpp"

#include <string>

#include "adapters/wsgi/request/merged_fields.hpp"
#include "tests/catch.hpp"

namespace {

using namespace sluice::wsgi;

bool valid(const ResponseHead& head) {
  std::optional<std::uint64_t> length;
  return !check_head(head, length);
}

ResponseHead with(std::string name, std::string value) {
  return {.status = 200, .status_line = "200 OK", .headers = {{std::move(name), std::move(value)}}};
}

}  // namespace

TEST_CASE("head rules: a status is between 100 and 599") {
  int status = 0;
  for (const char* line : {"100 Continue", "200", "200 ", "599 Odd"}) CHECK_FALSE(check_status_line(line, status));
  CHECK(status == 599);
  for (const char* line : {"000 Zero", "099 Low", "600 High", "999", "20", "2000 OK", "200OK", "OK", "", "200 a\rb"}) {
    CHECK(check_status_line(line, status));
  }
  CHECK(status == 599);
  CHECK_FALSE(valid({.status = 201, .status_line = "200 OK", .headers = {}}));
}

TEST_CASE("head rules: a field is a token and has no control characters") {
  CHECK(valid(with("X-Fine", "value\twith\xe9")));
  for (const char* name : {"", "X Y", "X:Y", "X\r\nY", "X\xe9", "Connection", "transfer-encoding", "TE"}) {
    CHECK_FALSE(valid(with(name, "value")));
  }
  for (const std::string& value :
       {std::string("a\r\nb"), std::string("a\nb"), std::string("a\0b", 3), std::string("\x7f")}) {
    CHECK_FALSE(valid(with("X-Field", value)));
  }
}

TEST_CASE("head rules: a Content-Length is one number") {
  for (const char* value : {"", "+1", "-1", "1 ", " 1", "0x1", "1.0", "9223372036854775808", "1,1"}) {
    CHECK_FALSE(valid(with("Content-Length", value)));
  }
  ResponseHead twice = with("Content-Length", "5");
  twice.headers.emplace_back("content-length", "5");
  CHECK(valid(twice));
  twice.headers.emplace_back("CONTENT-LENGTH", "6");
  CHECK_FALSE(valid(twice));
}

TEST_CASE("merged fields: only a repeated name that may be merged needs a merge") {
  CHECK_FALSE(may_need_merge({}));
  CHECK_FALSE(may_need_merge({{"A", "1"}, {"AB", "1"}, {"Content-Type", "x"}, {"Content-Length", "1"}}));
  CHECK_FALSE(may_need_merge({{"Set-Cookie", "x"}, {"A", "1"}, {"set-cookie", "y"}}));
  CHECK(may_need_merge({{"A", "1"}, {"b", "2"}, {"a", "3"}}));
  Headers many;
  for (int number = 0; number < 32; ++number) many.emplace_back("X-" + std::to_string(number), "");
  CHECK_FALSE(may_need_merge(many));
  many.emplace_back("X-Last", "");
  CHECK(may_need_merge(many));
}

TEST_CASE("merged fields: values of one name are joined in their order at the place of the first") {
  const Headers headers = {{"A", "1"}, {"Set-Cookie", "x"}, {"b", "2"}, {"a", "3"}, {"Set-Cookie", "y"}, {"A", ""}};
  const std::vector<MergedField> merged = merge_fields(headers);
  REQUIRE(merged.size() == 4);
  CHECK((merged[0].name == "A" && merged[0].value == "1, 3, "));
  CHECK((merged[1].name == "Set-Cookie" && merged[1].value == "x"));
  CHECK((merged[2].name == "b" && merged[2].value == "2"));
  CHECK((merged[3].name == "Set-Cookie" && merged[3].value == "y"));
}
